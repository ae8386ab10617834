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

// happening is an event about a TenantCluster.
type happening struct {
	kind, reason, action, note string
}

func operationBegan(operation *v1alpha1.Operation) happening {
	return happening{corev1.EventTypeNormal, "OperationBegan", string(operation.Type), fmt.Sprintf("%s has begun", operation.Type)}
}

func operationEnded(operation *v1alpha1.Operation) happening {
	return happening{corev1.EventTypeNormal, "OperationEnded", string(operation.Type), fmt.Sprintf("%s is complete", operation.Type)}
}

func controlPlaneReady() happening {
	return happening{corev1.EventTypeNormal, "ControlPlaneReady", "Report", "The control plane is ready"}
}

func blocked(reason, message string) happening {
	return happening{corev1.EventTypeWarning, reason, "Report", message[:min(len(message), maxNote)]}
}

// told is what events have told of a TenantCluster, or what its status says to
// begin with.
type told struct {
	controlPlaneReady bool
	operation         *v1alpha1.Operation
	reason            string
}

func tell(conditions []metav1.Condition, operation *v1alpha1.Operation) told {
	t := told{controlPlaneReady: meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionControlPlaneReady), operation: operation}
	if ready := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady); ready != nil {
		t.reason = ready.Reason
	}
	return t
}

// happened is what has happened since.
func happened(before told, after report.Report) []happening {
	var result []happening
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
	if ready.Status != metav1.ConditionTrue && !expected(ready.Reason) && before.reason != ready.Reason {
		result = append(result, blocked(ready.Reason, ready.Message))
	}
	return result
}

// expected reasons are those of an operation that goes on as it should.
func expected(reason string) bool {
	switch reason {
	case report.ReasonPending, report.ReasonProgressing, report.ReasonWaiting, report.ReasonDeleting,
		"Starting", "Terminating", "ContainerCreating", "WaitingForCertificate", "WaitingForSecret":
		return true
	default:
		return false
	}
}
