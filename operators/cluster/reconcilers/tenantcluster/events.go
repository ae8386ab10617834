package tenantcluster

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/report"
)

// maxNote is what the API takes, less what a cut character may grow to.
const maxNote = 1000

// event about a TenantCluster.
type event struct {
	kind, reason, action, note string
}

func operationBegan(operation *v1alpha1.Operation) event {
	return event{corev1.EventTypeNormal, "OperationBegan", string(operation.Type), fmt.Sprintf("%s has begun", operation.Type)}
}

func operationEnded(operation *v1alpha1.Operation) event {
	return event{corev1.EventTypeNormal, "OperationEnded", string(operation.Type), fmt.Sprintf("%s is complete", operation.Type)}
}

func controlPlaneReady() event {
	return event{corev1.EventTypeNormal, "ControlPlaneReady", "Report", "The control plane is ready"}
}

func blocked(reason, message string) event {
	return event{corev1.EventTypeWarning, reason, "Report", message[:min(len(message), maxNote)]}
}

// reported is the state of a TenantCluster that events have reported or, before
// the first of them, that its status has.
type reported struct {
	controlPlaneReady bool
	operation         *v1alpha1.Operation
	reason            string
}

func reportedBy(conditions []metav1.Condition, operation *v1alpha1.Operation) reported {
	state := reported{controlPlaneReady: meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionControlPlaneReady), operation: operation}
	if ready := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady); ready != nil {
		state.reason = ready.Reason
	}
	return state
}

// newEvents are those that lead from what was reported before to a new status.
func newEvents(before reported, after report.Report) []event {
	var result []event
	if meta.IsStatusConditionTrue(after.Conditions, v1alpha1.ConditionControlPlaneReady) && !before.controlPlaneReady {
		result = append(result, controlPlaneReady())
	}
	switch {
	case after.Operation != nil && (before.operation == nil || before.operation.Type != after.Operation.Type):
		result = append(result, operationBegan(after.Operation))
	case after.Operation == nil && before.operation != nil && meta.IsStatusConditionTrue(after.Conditions, v1alpha1.ConditionReady):
		result = append(result, operationEnded(before.operation))
	}
	ready := meta.FindStatusCondition(after.Conditions, v1alpha1.ConditionReady)
	if ready.Status != metav1.ConditionTrue && !expected(ready.Reason, after.Operation != nil) && before.reason != ready.Reason {
		result = append(result, blocked(ready.Reason, ready.Message))
	}
	return result
}

// expected reasons are those of a cluster that is on its way: nobody has to do
// anything about them. Without an operation, a worker that is not ready is news.
func expected(reason string, underWay bool) bool {
	switch reason {
	case report.ReasonPending, report.ReasonProgressing, report.ReasonWaiting, report.ReasonDeleting,
		"Starting", "Terminating", "ContainerCreating", "WaitingForCertificate", "WaitingForSecret":
		return true
	case "MachineCreated", "WaitingForNetworkPort", "WaitingForTenantAPI", "NotCreated", "Stopped", "Provisioning", "NotRegistered", "NotReported",
		"NotReady", "Scaling", "Replacing", "Removing", "Draining":
		return underWay
	default:
		return false
	}
}
