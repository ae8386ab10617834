package machine_test

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"slipway.dev/api/v1alpha1"
)

// testNodeComesBack: who removes a Node from a tenant does not get rid of the worker.
func (s *suite) testNodeComesBack(t *testing.T) {
	m := s.ready(t, "removed")
	key := client.ObjectKey{Name: m.key.Name}
	before, after := &corev1.Node{}, &corev1.Node{}
	s.get(t, key, before)
	s.clock.SetTime(s.clock.Now().Add(2 * joinTimeout))
	if err := s.client.Delete(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	m.reconcile(t)
	s.get(t, key, after)
	if after.Spec.PodCIDR != before.Spec.PodCIDR || after.Labels[v1alpha1.LabelPool] != "a" || after.Labels[corev1.LabelHostname] != key.Name {
		t.Errorf("it came back as %+v", after)
	}
	m.reconcile(t)
	m.expect(t, "its kubelet has not reported", v1alpha1.ConditionNodeReady, metav1.ConditionFalse, "NotReported")
	if err := s.client.Get(t.Context(), m.key, &kubevirtv1.VirtualMachineInstance{}); err != nil {
		t.Errorf("a guest that is well was started anew: %v", err)
	}

	if err := s.client.Delete(t.Context(), after); err != nil {
		t.Fatal(err)
	}
	m.refused = true
	m.tenants.set(s, interceptor.Funcs{
		Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error { return denied() },
	})
	m.reconcile(t)
	names(t, m.expect(t, "refused", v1alpha1.ConditionBootstrapReady, metav1.ConditionFalse, "TokenNotWritten"), "refused Node "+key.Name)
}
