package report

import (
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
	"slipway.dev/kit/tenantapi"
	"slipway.dev/operators/cluster/addons"
)

// AddonsPending is what the add-ons are before there is an API to write them to.
func AddonsPending(message string) metav1.Condition {
	return conditions.False(v1alpha1.ConditionAddonsReady, ReasonPending, message)
}

// AddonsSilent is what can be said of the add-ons while the tenant cannot be
// asked; before is what was said last. It stands while a connection is made,
// after a restart of this operator or with a renewed certificate: an API that has
// not answered within ten seconds is unreachable to the connection. A tenant
// that has not been up yet is waited for, and not missed.
func AddonsSilent(before *metav1.Condition, generation int64, down *tenantapi.NotConnectedError) metav1.Condition {
	switch {
	case silent(down.Reason) && (before == nil || before.Reason == ReasonPending):
		return AddonsPending("waiting for the tenant's API server to answer")
	case down.Reason == tenantapi.ReasonConnecting && before.ObservedGeneration == generation:
		return *before
	default:
		return conditions.Unknown(v1alpha1.ConditionAddonsReady, down.Reason, down.Message)
	}
}

// AddonsRefused is what the add-ons are when the tenant does not take one of them.
func AddonsRefused(refused *tenantapi.RefusedError) metav1.Condition {
	reason, message := refused.Explain()
	return conditions.False(v1alpha1.ConditionAddonsReady, reason, message)
}

// ClusterDNS says whether the add-ons work that have been written. deployment is
// nil when it is not there; generation is what it has been written as.
func ClusterDNS(deployment *appsv1.Deployment, generation int64, pools []v1alpha1.NodePool) metav1.Condition {
	const conditionType = v1alpha1.ConditionAddonsReady
	const name = "Deployment " + addons.CoreDNSNamespace + "/" + addons.CoreDNS + " of the tenant"
	if !slices.ContainsFunc(pools, func(pool v1alpha1.NodePool) bool { return pool.Spec.Replicas != nil && *pool.Spec.Replicas > 0 }) {
		return conditions.True(conditionType, ReasonReady, "")
	}
	switch {
	case deployment == nil || deployment.Generation < generation || deployment.Status.ObservedGeneration < deployment.Generation:
		return conditions.False(conditionType, ReasonProgressing, name+": is being rolled out")
	case deployment.Status.AvailableReplicas == 0:
		return conditions.False(conditionType, ReasonProgressing, name+": no replica is available yet")
	case deployment.Spec.Replicas != nil && deployment.Status.UpdatedReplicas < *deployment.Spec.Replicas:
		return conditions.False(conditionType, ReasonProgressing, name+": is being rolled out")
	default:
		return conditions.True(conditionType, ReasonReady, "")
	}
}

// AddonsStatus is the part of the status that the add-ons' controller writes.
func AddonsStatus(cluster *v1alpha1.TenantCluster, condition metav1.Condition, now time.Time) *slipwayac.TenantClusterStatusApplyConfiguration {
	return slipwayac.TenantClusterStatus().WithConditions(apply(cluster, now, condition)...)
}
