package report_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/report"
)

// A tenant that runs is not made anew because its operator is kept out.
func TestNotGrantedKeepsWhatWasReported(t *testing.T) {
	at := func(seconds int64) metav1.Time { return metav1.NewTime(time.Unix(seconds, 0)) }
	condition := func(conditionType string, status metav1.ConditionStatus, reason, message string, generation, since int64) metav1.Condition {
		return metav1.Condition{
			Type: conditionType, Status: status, Reason: reason, Message: message, ObservedGeneration: generation, LastTransitionTime: at(since),
		}
	}
	before := v1alpha1.TenantClusterStatus{
		ObservedGeneration: 3, HostedNamespace: "hosted", Endpoint: "https://192.0.2.1:30001", KubeconfigSecretName: "demo-kubeconfig",
		Version: "v1.36.3", Workers: &v1alpha1.WorkerCount{Desired: 2, Ready: 1, Summary: "1/2"},
		Operation: &v1alpha1.Operation{Type: v1alpha1.OperationScale, StartTime: at(50), BlockedBy: "WorkersReady", Message: "NodePool a"},
		Timeline:  []v1alpha1.TimelineStep{{Step: "Ready", CompletedAt: at(40), Seconds: 30}},
		Conditions: []metav1.Condition{
			condition("AddonsReady", metav1.ConditionTrue, "Ready", "", 3, 20), // not this controller's
			condition("ControlPlaneReady", metav1.ConditionTrue, "Ready", "", 3, 20),
			condition("Ready", metav1.ConditionFalse, "Progressing", "NodePool a", 3, 50),
			condition("WorkersReady", metav1.ConditionFalse, "Progressing", "NodePool a", 3, 50),
		},
	}
	want := before.DeepCopy()
	want.ObservedGeneration = 4
	want.Operation.BlockedBy, want.Operation.Message = "Ready", "forbidden"
	want.Conditions = []metav1.Condition{
		condition("Ready", metav1.ConditionFalse, "NotGranted", "forbidden", 4, 50), before.Conditions[1], before.Conditions[3],
	}

	cluster := &v1alpha1.TenantCluster{ObjectMeta: metav1.ObjectMeta{Generation: 4}, Status: before}
	encoded, err := json.Marshal(report.NotGranted(cluster, "forbidden", time.Unix(60, 0)).Status)
	if err != nil {
		t.Fatal(err)
	}
	got := &v1alpha1.TenantClusterStatus{}
	if err := json.Unmarshal(encoded, got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}
