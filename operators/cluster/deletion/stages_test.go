package deletion_test

import (
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/deletion"
	tenant "slipway.dev/operators/cluster/observed"
)

func TestStagesOfAControlPlane(t *testing.T) {
	named := metav1.ObjectMeta{Name: "x"}
	everything := tenant.Tenant{
		Namespace:    &corev1.Namespace{ObjectMeta: named},
		StatefulSets: []*appsv1.StatefulSet{{ObjectMeta: named}},
		Deployments:  []*appsv1.Deployment{{ObjectMeta: named}},
		Pods:         []*corev1.Pod{{ObjectMeta: named}},
		Claims:       []*corev1.PersistentVolumeClaim{{ObjectMeta: named}},
		Ports: []*v1alpha1.NetworkPort{{ObjectMeta: metav1.ObjectMeta{
			Name: "x", Labels: map[string]string{controlplane.LabelComponent: controlplane.APIServer},
		}}},
	}
	pods := everything
	pods.StatefulSets, pods.Deployments = nil, nil
	used := pods
	used.Pods = nil
	for _, test := range []struct {
		name string
		seen tenant.Tenant
		want []string
	}{
		{"workloads", everything, []string{"StatefulSet x", "Deployment x"}},
		{"pods", pods, []string{"Pod x"}},
		{"what they used", used, []string{"PersistentVolumeClaim x", "NetworkPort x"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := texts(deletion.Stages(&test.seen, nil)[0]); !slices.Equal(got, test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestStagesNameWhatHolds(t *testing.T) {
	seen := &tenant.Tenant{
		Namespace: &corev1.Namespace{
			ObjectMeta: metav1.ObjectMeta{Name: "hosted"},
			Status: corev1.NamespaceStatus{Conditions: []corev1.NamespaceCondition{{
				Type: corev1.NamespaceFinalizersRemaining, Status: corev1.ConditionTrue, Message: "a finalizer remains",
			}}},
		},
		Pools: []*v1alpha1.NodePool{{
			ObjectMeta: metav1.ObjectMeta{Name: "a"},
			Status: v1alpha1.NodePoolStatus{Conditions: []metav1.Condition{{
				Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Message: "Machine a-1 hangs",
			}}},
		}},
	}
	identifier := &v1alpha1.VirtualNetworkID{ObjectMeta: metav1.ObjectMeta{Name: "4711"}}
	var got []string
	for _, stage := range deletion.Stages(seen, []*v1alpha1.VirtualNetworkID{identifier}) {
		got = append(got, texts(stage)...)
	}
	want := []string{"NodePool a: Machine a-1 hangs", "Namespace hosted: a finalizer remains", "VirtualNetworkID 4711"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if stages := deletion.Stages(nil, nil); !slices.ContainsFunc(stages, func(s deletion.Stage) bool { return s.Name == "namespace" && len(s.Objects) == 0 }) {
		t.Error("a namespace that is gone is no stage that is complete")
	}
}

func texts(stage deletion.Stage) []string {
	var result []string
	for _, object := range stage.Objects {
		result = append(result, object.String())
	}
	return result
}
