package allocation

import (
	"fmt"
	"net/netip"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
	"slipway.dev/operators/network/fabric"
	"slipway.dev/operators/network/hosted"
)

// ReasonNetworkNotReady is that of a port that waits.
const ReasonNetworkNotReady = "NetworkNotReady"

// PortStatus decides about the whole status of a port but for the attachment; its one
// condition is Ready. What a port has got it keeps, whatever comes.
func PortStatus(port v1alpha1.NetworkPort, network v1alpha1.TenantNetwork, isHosted bool, all []v1alpha1.NetworkPort) (v1alpha1.NetworkPortStatus, error) {
	kept := identityOf(port.Status)
	status := func(identity v1alpha1.NetworkPortStatus, ready metav1.Condition) (v1alpha1.NetworkPortStatus, error) {
		identity.ObservedGeneration, ready.ObservedGeneration = port.Generation, port.Generation
		identity.Conditions = []metav1.Condition{ready}
		return identity, nil
	}
	if !isHosted {
		return status(kept, hosted.Refusal("NetworkPort", port.Namespace))
	}
	if network.Status.VNI == nil || network.Status.Gateway == nil || network.Status.MTU == 0 {
		return status(kept, conditions.False(v1alpha1.ConditionReady, ReasonNetworkNotReady,
			fmt.Sprintf("TenantNetwork %s is not ready", port.Spec.NetworkName)))
	}
	nodes, err := netip.ParsePrefix(string(network.Spec.NodeCIDR))
	if err != nil {
		return v1alpha1.NetworkPortStatus{}, fmt.Errorf("nodeCIDR of TenantNetwork %s: %w", network.Name, err)
	}
	address, refused := addressFor(nodes, port, all)
	if refused != nil {
		if refused.reason != v1alpha1.ReasonAddressFixed {
			kept = v1alpha1.NetworkPortStatus{}
		}
		return status(kept, conditions.False(v1alpha1.ConditionReady, refused.reason, refused.message))
	}
	return status(v1alpha1.NetworkPortStatus{
		IPAddress: address.String(), MACAddress: fabric.MAC(*network.Status.VNI, address).String(),
		PrefixLength: int32(nodes.Bits()), Gateway: network.Status.Gateway.IPAddress, MTU: network.Status.MTU,
	}, conditions.True(v1alpha1.ConditionReady, "Allocated", ""))
}

// identityOf is the part of a status that is an identity.
func identityOf(status v1alpha1.NetworkPortStatus) v1alpha1.NetworkPortStatus {
	status.ObservedGeneration, status.Attachment, status.Conditions = 0, nil, nil
	return status
}

// AppliedPort is a port with the status as the operator applies it.
func AppliedPort(port v1alpha1.NetworkPort, wanted v1alpha1.NetworkPortStatus) *slipwayac.NetworkPortApplyConfiguration {
	status := slipwayac.NetworkPortStatus().WithObservedGeneration(wanted.ObservedGeneration).
		WithConditions(conditions.Apply(port.Status.Conditions, port.Generation, wanted.Conditions...)...)
	if wanted.IPAddress != "" {
		status.WithIPAddress(wanted.IPAddress).WithMACAddress(wanted.MACAddress).
			WithPrefixLength(wanted.PrefixLength).WithGateway(wanted.Gateway).WithMTU(wanted.MTU)
	}
	// Of two who write, as when the lease changes hands, one has not read what the other wrote.
	return slipwayac.NetworkPort(port.Name, port.Namespace).WithResourceVersion(port.ResourceVersion).WithStatus(status)
}
