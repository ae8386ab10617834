package zone

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
)

const conditionReady = "Ready"

// Ready says that every record is served as desired.
func Ready() metav1.Condition {
	return conditions.True(conditionReady, "Served", "")
}

// Invalid says that the spec cannot be fulfilled, and why.
func Invalid(cause error) metav1.Condition {
	return conditions.False(conditionReady, "InvalidSpec", cause.Error())
}

// WaitingForTargets says that there is nothing yet that the API's name can point at.
func WaitingForTargets() metav1.Condition {
	return conditions.False(conditionReady, "WaitingForTargets", "spec.apiTargets is empty: no address to point at yet")
}

// WaitingForServer says which name is not served as desired.
func WaitingForServer(missing string) metav1.Condition {
	return conditions.False(conditionReady, "WaitingForAuthoritativeServer", missing)
}

// Deleting says which name is not gone yet.
func Deleting(remaining string) metav1.Condition {
	return conditions.False(conditionReady, "Deleting", remaining)
}

// Report is the status of a tenant with these names.
func Report(tenant *v1alpha1.TenantDNS, names Names, ready metav1.Condition) *slipwayac.TenantDNSApplyConfiguration {
	status := slipwayac.TenantDNSStatus().
		WithObservedGeneration(tenant.Generation).
		WithConditions(conditions.Apply(tenant.Status.Conditions, tenant.Generation, ready)...)
	if names != (Names{}) {
		status.WithAPIName(names.API).WithAppsName(names.Apps)
	}
	return slipwayac.TenantDNS(tenant.Name, tenant.Namespace).WithStatus(status)
}
