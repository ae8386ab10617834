package desired_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/desired"
	"slipway.dev/operators/cluster/observed"
)

// Pods of a control plane that starts for the first time have more until all are
// ready, once all have nodes and for two minutes at most.
func TestResizes(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		change func(*observed.Tenant)
		want   int
		next   time.Duration
	}{
		"all pods have nodes":     {func(*observed.Tenant) {}, 4, time.Minute},
		"one has none":            {func(s *observed.Tenant) { s.Pods[3].Status.Conditions[0].Status = corev1.ConditionFalse }, 0, 0},
		"etcd is not there":       {func(s *observed.Tenant) { s.Pods = s.Pods[1:] }, 0, 0},
		"an etcd of three":        {func(s *observed.Tenant) { s.Cluster.Spec.ControlPlane.Etcd.Replicas = 3 }, 0, 0},
		"the last come later":     {func(s *observed.Tenant) { s.Pods = s.Pods[:2] }, 2, time.Minute},
		"one goes":                {func(s *observed.Tenant) { s.Pods[0].DeletionTimestamp = &metav1.Time{Time: now} }, 0, 0},
		"one is ready":            {func(s *observed.Tenant) { ready(s.Pods[0]) }, 4, time.Minute},
		"all there are ready":     {func(s *observed.Tenant) { s.Pods = s.Pods[:2]; ready(s.Pods...) }, 2, time.Minute},
		"all are ready":           {func(s *observed.Tenant) { ready(s.Pods...) }, 0, 0},
		"one takes long":          {func(s *observed.Tenant) { schedule(s.Pods[1], now.Add(-90*time.Second)) }, 4, 30 * time.Second},
		"one does not come up":    {func(s *observed.Tenant) { schedule(s.Pods[1], now.Add(-2*time.Minute)) }, 3, time.Minute},
		"it is updated":           {func(s *observed.Tenant) { s.Cluster.Status.Operation.Type = v1alpha1.OperationUpdate }, 0, 0},
		"nothing is done with it": {func(s *observed.Tenant) { s.Cluster.Status.Operation = nil }, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			seen := tenant()
			seen.Cluster.Status.Operation = &v1alpha1.Operation{Type: v1alpha1.OperationCreate}
			for _, component := range controlplane.Components {
				pod := &corev1.Pod{
					ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{controlplane.LabelComponent: component}},
					Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: component, Resources: corev1.ResourceRequirements{
						Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("5m")},
					}}}},
				}
				schedule(pod, now.Add(-time.Minute))
				seen.Pods = append(seen.Pods, pod)
			}
			test.change(seen)
			resizes, next := desired.Resizes(seen, config, now)
			if len(resizes) != test.want || next != test.next {
				t.Errorf("%d resizes and %s, want %d and %s", len(resizes), next, test.want, test.next)
			}
		})
	}
}

func schedule(pod *corev1.Pod, at time.Time) {
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Time{Time: at}}}
}

func ready(pods ...*corev1.Pod) {
	for _, pod := range pods {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue})
	}
}
