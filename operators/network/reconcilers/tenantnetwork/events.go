package tenantnetwork

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/events"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
)

// Events tells the readers of events what has happened to TenantNetworks.
type Events struct {
	events.EventRecorder
}

// reported tells what a status says that has just been written and that the
// network, as it was before, did not.
func (e Events) reported(network *v1alpha1.TenantNetwork, status *slipwayac.TenantNetworkStatusApplyConfiguration) {
	if network.Status.VNI == nil && status.VNI != nil {
		e.Eventf(network, nil, corev1.EventTypeNormal, "Allocated", "Allocate",
			"Network has VNI %d and gateway %s", *status.VNI, *status.Gateway.IPAddress)
	}
	before := meta.FindStatusCondition(network.Status.Conditions, v1alpha1.ConditionReady)
	for _, ready := range status.Conditions {
		if !expected(*ready.Reason) && (before == nil || before.Reason != *ready.Reason) {
			e.Eventf(network, nil, corev1.EventTypeWarning, *ready.Reason, "Report", "%s", conditions.FirstLine(*ready.Message))
		}
	}
}

// expected reasons are those of a network that comes, works or goes as it should.
func expected(reason string) bool {
	switch reason {
	case "Allocated", "Programming", "Deleting":
		return true
	default:
		return false
	}
}
