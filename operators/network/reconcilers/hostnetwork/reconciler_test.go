package hostnetwork

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"slipway.dev/api/v1alpha1"
)

func agent(name string, age time.Duration, ready corev1.ConditionStatus) corev1.Pod {
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "system", Name: name, CreationTimestamp: metav1.NewTime(time.Unix(1e9, 0).Add(-age))},
		Status:     corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}},
	}
}

func node(ready corev1.ConditionStatus) *corev1.Node {
	return &corev1.Node{Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}}}}
}

func TestSummary(t *testing.T) {
	programmed := metav1.Condition{Type: v1alpha1.ConditionProgrammed, Status: metav1.ConditionTrue, Reason: "Programmed"}
	failed := metav1.Condition{Type: v1alpha1.ConditionProgrammed, Status: metav1.ConditionFalse, Reason: "ProgrammingFailed", Message: "replace nftables table"}
	works := []corev1.Pod{agent("x", time.Hour, "True")}
	for name, test := range map[string]struct {
		node     *corev1.Node
		agents   []corev1.Pod
		reported []metav1.Condition
		want     metav1.Condition
	}{
		"as the agent says": {node("True"), works, []metav1.Condition{programmed},
			metav1.Condition{Status: "True", Reason: "Programmed"}},
		"what the agent could not do": {node("True"), works, []metav1.Condition{failed},
			metav1.Condition{Status: "False", Reason: "ProgrammingFailed", Message: "replace nftables table"}},
		"the node is dead": {node("Unknown"), works, []metav1.Condition{programmed},
			metav1.Condition{Status: "Unknown", Reason: "NodeNotReady", Message: "Node a is not Ready, so its agent may not report anymore"}},
		"the node is not ready": {node("False"), works, []metav1.Condition{programmed},
			metav1.Condition{Status: "Unknown", Reason: "NodeNotReady", Message: "Node a is not Ready, so its agent may not report anymore"}},
		"the node is gone": {nil, works, []metav1.Condition{programmed},
			metav1.Condition{Status: "Unknown", Reason: "NodeGone", Message: "Node a does not exist"}},
		"nothing has been said": {node("True"), works, nil,
			metav1.Condition{Status: "Unknown", Reason: "NotReported", Message: "the agent on Node a has not reported yet"}},
		"the agent is stuck": {node("True"), []corev1.Pod{agent("x", time.Hour, "False")}, []metav1.Condition{programmed},
			metav1.Condition{Status: "Unknown", Reason: "AgentNotReady", Message: "Pod system/x on Node a is not Ready, so it may not report anymore"}},
		"the agent is gone": {node("True"), nil, []metav1.Condition{programmed},
			metav1.Condition{Status: "Unknown", Reason: "AgentNotReady", Message: "there is no network-agent on Node a to report"}},
		"another agent comes": {node("True"), []corev1.Pod{agent("y", time.Minute, "False"), agent("x", time.Hour, "False")}, []metav1.Condition{programmed},
			metav1.Condition{Status: "Unknown", Reason: "AgentNotReady", Message: "Pod system/y on Node a is not Ready, so it may not report anymore"}},
		"another agent is there": {node("True"), []corev1.Pod{agent("x", time.Hour, "False"), agent("y", time.Minute, "True")}, []metav1.Condition{programmed},
			metav1.Condition{Status: "True", Reason: "Programmed"}},
	} {
		t.Run(name, func(t *testing.T) {
			host := v1alpha1.HostNetwork{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Status: v1alpha1.HostNetworkStatus{Conditions: test.reported}}
			test.want.Type = v1alpha1.ConditionReady
			if got := summary(host, test.node, test.agents); got != test.want {
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
			cached, err := nodeReadiness(node(test.after))
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

// What is cached of an agent is enough to tell, and what else its pod reports
// wakes nobody.
func TestAgentChanged(t *testing.T) {
	there := agent("x", time.Hour, "True")
	there.Spec.NodeName = "a"
	for name, test := range map[string]struct {
		change func(*corev1.Pod)
		want   bool
	}{
		"an address":       {func(p *corev1.Pod) { p.Status.PodIP = "192.0.2.1" }, false},
		"it is stuck":      {func(p *corev1.Pod) { p.Status.Conditions[0].Status = corev1.ConditionFalse }, true},
		"nobody knows":     {func(p *corev1.Pod) { p.Status.Conditions = nil }, true},
		"it gets its node": {func(p *corev1.Pod) { p.Spec.NodeName = "b" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			changed := there.DeepCopy()
			test.change(changed)
			cached, err := podReadiness(changed)
			if err != nil {
				t.Fatal(err)
			}
			if got := agentChanged.Update(event.UpdateEvent{ObjectOld: there.DeepCopy(), ObjectNew: cached.(*corev1.Pod)}); got != test.want {
				t.Errorf("agentChanged = %v, want %v", got, test.want)
			}
		})
	}
}
