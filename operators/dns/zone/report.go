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

// invalid says that the spec cannot be fulfilled, and why.
func invalid(cause error) metav1.Condition {
	return conditions.False(conditionReady, "InvalidSpec", cause.Error())
}

// notHosted says why a TenantDNS does not count where it is.
func notHosted(cause string) metav1.Condition {
	return conditions.False(conditionReady, "NotHosted", cause)
}

// nothingToPublish is as it should be: a tenant that is not exposed outside the
// management cluster has nothing that a name could lead to.
func nothingToPublish() metav1.Condition {
	return conditions.True(conditionReady, "NothingToPublish", "spec.apiTargets and spec.appsTargets are empty")
}

// WaitingForServer says which name is not served as desired.
func WaitingForServer(missing string) metav1.Condition {
	return conditions.False(conditionReady, "WaitingForAuthoritativeServer", missing)
}

// Deleting says which name is not gone yet.
func Deleting(remaining string) metav1.Condition {
	return conditions.False(conditionReady, "Deleting", remaining)
}

// Report is the status of a tenant with these names; none where none is published.
func Report(tenant *v1alpha1.TenantDNS, names Names, ready metav1.Condition) *slipwayac.TenantDNSApplyConfiguration {
	status := slipwayac.TenantDNSStatus().
		WithObservedGeneration(tenant.Generation).
		WithConditions(conditions.Apply(tenant.Status.Conditions, tenant.Generation, ready)...)
	if names != (Names{}) {
		status.WithAPIName(names.API).WithAppsName(names.Apps)
	}
	return slipwayac.TenantDNS(tenant.Name, tenant.Namespace).WithStatus(status)
}
