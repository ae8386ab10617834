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

// happened tells a status from the one before.
func happened(before v1alpha1.TenantClusterStatus, after report.Report) []happening {
	var result []happening
	if meta.IsStatusConditionTrue(after.Conditions, v1alpha1.ConditionControlPlaneReady) &&
		!meta.IsStatusConditionTrue(before.Conditions, v1alpha1.ConditionControlPlaneReady) {
		result = append(result, controlPlaneReady())
	}
	switch {
	case after.Operation != nil && (before.Operation == nil || before.Operation.Type != after.Operation.Type):
		result = append(result, operationBegan(after.Operation))
	case after.Operation == nil && before.Operation != nil && meta.IsStatusConditionTrue(after.Conditions, v1alpha1.ConditionReady):
		result = append(result, operationEnded(before.Operation))
	}
	ready := meta.FindStatusCondition(after.Conditions, v1alpha1.ConditionReady)
	was := meta.FindStatusCondition(before.Conditions, v1alpha1.ConditionReady)
	if ready.Status != metav1.ConditionTrue && !expected(ready.Reason) && (was == nil || was.Reason != ready.Reason) {
		result = append(result, blocked(ready.Reason, ready.Message))
	}
	return result
}

// expected reasons are those of an operation that goes on as it should.
func expected(reason string) bool {
	switch reason {
	case report.ReasonPending, report.ReasonProgressing, report.ReasonWaiting, report.ReasonDeleting, "Starting", "Terminating", "ContainerCreating":
		return true
	default:
		return false
	}
}
