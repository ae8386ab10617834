package main

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
)

// testNodeFlaps has a tenant's admin change a Node as fast as its API server
// allows: the management cluster sees little of it, and in the end what is true.
func (w *world) testNodeFlaps(t *testing.T, machine string) {
	node := reads(t, w.tenant, "", machine, &corev1.Node{}, nil)
	before := w.writes.Load()
	const changes = 200
	var last string
	for n := range changes {
		last = fmt.Sprintf("change %d", n)
		node.Status.Conditions[0].Status, node.Status.Conditions[0].Message = corev1.ConditionFalse, last
		if err := w.tenant.Status().Update(t.Context(), node); err != nil {
			t.Fatal(err)
		}
	}
	reads(t, w.management, w.namespace, machine, &v1alpha1.Machine{}, func(m *v1alpha1.Machine) error {
		for _, condition := range m.Status.Conditions {
			if condition.Type == v1alpha1.ConditionReady && condition.Message == "Node "+machine+": "+last {
				return nil
			}
		}
		return fmt.Errorf("conditions %v", m.Status.Conditions)
	})
	if wrote := w.writes.Load() - before; wrote > changes/4 {
		t.Errorf("%d writes for %d changes of a Node", wrote, changes)
	}
	node.Status.Conditions[0].Status, node.Status.Conditions[0].Message = corev1.ConditionTrue, ""
	if err := w.tenant.Status().Update(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	w.reports(t, machine, v1alpha1.ConditionReady, metav1.ConditionTrue, "Ready")
}
