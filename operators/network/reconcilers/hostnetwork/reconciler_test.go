package hostnetwork

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"slipway.dev/api/v1alpha1"
)

func node(ready corev1.ConditionStatus) *corev1.Node {
	return &corev1.Node{Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}}}}
}

func TestSummary(t *testing.T) {
	programmed := metav1.Condition{Type: v1alpha1.ConditionProgrammed, Status: metav1.ConditionTrue, Reason: "Programmed"}
	failed := metav1.Condition{Type: v1alpha1.ConditionProgrammed, Status: metav1.ConditionFalse, Reason: "ProgrammingFailed", Message: "replace nftables table"}
	for name, test := range map[string]struct {
		node     *corev1.Node
		reported []metav1.Condition
		want     metav1.Condition
	}{
		"as the agent says": {node("True"), []metav1.Condition{programmed},
			metav1.Condition{Status: "True", Reason: "Programmed"}},
		"what the agent could not do": {node("True"), []metav1.Condition{failed},
			metav1.Condition{Status: "False", Reason: "ProgrammingFailed", Message: "replace nftables table"}},
		"the node is dead": {node("Unknown"), []metav1.Condition{programmed},
			metav1.Condition{Status: "Unknown", Reason: "NodeNotReady", Message: "Node a is not Ready, so its agent may not report anymore"}},
		"the node is not ready": {node("False"), []metav1.Condition{programmed},
			metav1.Condition{Status: "Unknown", Reason: "NodeNotReady", Message: "Node a is not Ready, so its agent may not report anymore"}},
		"the node is gone": {nil, []metav1.Condition{programmed},
			metav1.Condition{Status: "Unknown", Reason: "NodeGone", Message: "Node a does not exist"}},
		"nothing has been said": {node("True"), nil,
			metav1.Condition{Status: "Unknown", Reason: "NotReported", Message: "the agent on Node a has not reported yet"}},
	} {
		t.Run(name, func(t *testing.T) {
			host := v1alpha1.HostNetwork{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Status: v1alpha1.HostNetworkStatus{Conditions: test.reported}}
			test.want.Type = v1alpha1.ConditionReady
			if got := summary(host, test.node); got != test.want {
				t.Errorf("summary %+v, want %+v", got, test.want)
			}
		})
	}
}

// A Node's heartbeats wake nobody, and what is cached of it is enough to tell.
func TestReadinessChanged(t *testing.T) {
	for name, test := range map[string]struct {
		before, after corev1.ConditionStatus
		want          bool
	}{
		"a heartbeat":   {"True", "True", false},
		"a dead node":   {"True", "Unknown", true},
		"it comes back": {"Unknown", "True", true},
		"still dead":    {"False", "Unknown", false},
	} {
		t.Run(name, func(t *testing.T) {
			cached, err := Readiness(node(test.after))
			if err != nil {
				t.Fatal(err)
			}
			got := readinessChanged.Update(event.UpdateEvent{ObjectOld: node(test.before), ObjectNew: cached.(*corev1.Node)})
			if got != test.want {
				t.Errorf("readinessChanged = %v, want %v", got, test.want)
			}
		})
	}
}
