package main

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/testenv"
)

// TestPriorities: operators are evicted last, and guests first.
func TestPriorities(t *testing.T) {
	values := map[string]int64{}
	for _, object := range testenv.Chart(t, umbrellaChart, chartValues...) {
		class, _, _ := unstructured.NestedString(object.Object, "spec", "template", "spec", "priorityClassName")
		switch object.GetKind() {
		case "PriorityClass":
			values[object.GetName()], _, _ = unstructured.NestedInt64(object.Object, "value")
		case "Deployment":
			if class != v1alpha1.PriorityClassOperators {
				t.Errorf("Deployment %s has priority class %q", object.GetName(), class)
			}
		case "DaemonSet":
			if class != "system-node-critical" { // no pod of a tenant starts on a node without it
				t.Errorf("DaemonSet %s has priority class %q", object.GetName(), class)
			}
		}
	}
	guests, controlPlanes, operators := values[v1alpha1.PriorityClassGuests], values[v1alpha1.PriorityClassControlPlanes], values[v1alpha1.PriorityClassOperators]
	if guests <= 0 || controlPlanes <= guests || operators <= controlPlanes {
		t.Errorf("priorities %v", values)
	}
}
