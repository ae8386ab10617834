package report

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
)

// Reasons why nothing can be done in a hosted namespace.
const (
	ReasonNamespaceConflict = "NamespaceConflict"
	ReasonNotGranted        = "NotGranted"
)

// NoNamespace is the status of a TenantCluster that cannot have its hosted
// namespace: nothing of it is there.
func NoNamespace(cluster *v1alpha1.TenantCluster, message string, now time.Time) Report {
	ready := conditions.False(v1alpha1.ConditionReady, ReasonNamespaceConflict, message)
	return Report{
		Status:     slipwayac.TenantClusterStatus().WithObservedGeneration(cluster.Generation).WithConditions(apply(cluster, now, ready)...),
		Conditions: []metav1.Condition{ready},
	}
}

// NotGranted is the status of a TenantCluster for which the operator may do
// nothing. What there is of it goes on: besides Ready, all stays as it was
// reported last.
func NotGranted(cluster *v1alpha1.TenantCluster, message string, now time.Time) Report {
	ready := conditions.False(v1alpha1.ConditionReady, ReasonNotGranted, message)
	before := cluster.Status
	status := slipwayac.TenantClusterStatus().WithObservedGeneration(cluster.Generation).WithConditions(apply(cluster, now, ready)...)
	all := []metav1.Condition{ready}
	for _, conditionType := range []string{
		v1alpha1.ConditionPKIReady, v1alpha1.ConditionNetworkReady, v1alpha1.ConditionControlPlaneReady,
		v1alpha1.ConditionWorkersReady, v1alpha1.ConditionDNSReady,
	} {
		if kept := meta.FindStatusCondition(before.Conditions, conditionType); kept != nil {
			all = append(all, *kept)
			status.WithConditions(conditions.Apply(before.Conditions, kept.ObservedGeneration, *kept)...)
		}
	}
	if before.HostedNamespace != "" {
		status.WithHostedNamespace(before.HostedNamespace)
	}
	if before.Endpoint != "" {
		status.WithEndpoint(before.Endpoint)
	}
	if before.KubeconfigSecretName != "" {
		status.WithKubeconfigSecretName(before.KubeconfigSecretName)
	}
	if before.Version != "" {
		status.WithVersion(before.Version)
	}
	if workers := before.Workers; workers != nil {
		status.WithWorkers(slipwayac.WorkerCount().WithDesired(workers.Desired).WithReady(workers.Ready).WithSummary(workers.Summary))
	}
	operation := before.Operation.DeepCopy()
	if operation != nil {
		operation.BlockedBy, operation.Message = ready.Type, ready.Message
	}
	withProgress(status, operation, before.Timeline)
	return Report{Status: status, Operation: operation, Conditions: all}
}
