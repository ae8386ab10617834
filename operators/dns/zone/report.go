package zone

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
)

// Reasons of the condition Ready of which events tell, or not.
const (
	ReasonServed    = "Served"
	ReasonNotHosted = "NotHosted"
)

// served says that every record is served as desired, and nothing else.
func served() metav1.Condition {
	return conditions.True(v1alpha1.ConditionReady, ReasonServed, "")
}

// invalid says that the spec cannot be fulfilled, and why.
func invalid(cause error) metav1.Condition {
	return conditions.False(v1alpha1.ConditionReady, "InvalidSpec", cause.Error())
}

// notHosted says why a TenantDNS does not count where it is.
func notHosted(cause string) metav1.Condition {
	return conditions.False(v1alpha1.ConditionReady, ReasonNotHosted, cause)
}

// nothingToPublish is as it should be: a tenant that is not exposed outside the
// management cluster has nothing that a name could lead to.
func nothingToPublish() metav1.Condition {
	return conditions.True(v1alpha1.ConditionReady, "NothingToPublish", "spec.apiTargets and spec.appsTargets are empty")
}

// waitingForServer says which name is not served as desired.
func waitingForServer(missing string) metav1.Condition {
	return conditions.False(v1alpha1.ConditionReady, "WaitingForAuthoritativeServer", missing)
}

// Deleting says which name is not gone yet.
func Deleting(remaining string) metav1.Condition {
	return conditions.False(v1alpha1.ConditionReady, "Deleting", remaining)
}

// IsServed is true of a status that says so.
func IsServed(tenant *v1alpha1.TenantDNS) bool {
	ready := meta.FindStatusCondition(tenant.Status.Conditions, v1alpha1.ConditionReady)
	return ready != nil && ready.Reason == ReasonServed
}

// Report is the status of a tenant with these names, of which each may be empty.
func Report(tenant *v1alpha1.TenantDNS, names Names, ready metav1.Condition) *slipwayac.TenantDNSApplyConfiguration {
	status := slipwayac.TenantDNSStatus().
		WithObservedGeneration(tenant.Generation).
		WithConditions(conditions.Apply(tenant.Status.Conditions, tenant.Generation, ready)...)
	if names.API != "" {
		status.WithAPIName(names.API)
	}
	if names.Apps != "" {
		status.WithAppsName(names.Apps)
	}
	return slipwayac.TenantDNS(tenant.Name, tenant.Namespace).WithStatus(status)
}
