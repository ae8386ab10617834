// Package allocation decides, without I/O, what networks and ports are given,
// and what their statuses say of it.
package allocation

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	nadv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
	"slipway.dev/operators/network/fabric"
)

// Observation is all that is decided about a network from.
type Observation struct {
	Network v1alpha1.TenantNetwork
	// Identifier and Definition are nil where there is none yet.
	Identifier *v1alpha1.VirtualNetworkID
	Definition *nadv1.NetworkAttachmentDefinition
	Hosts      []v1alpha1.HostNetwork
	// Ports are the network's own.
	Ports []*v1alpha1.NetworkPort
}

// NetworkStatus decides about the status of a network that has its identifier.
func NetworkStatus(seen Observation) (*slipwayac.TenantNetworkStatusApplyConfiguration, error) {
	vni, err := strconv.ParseInt(seen.Identifier.Name, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("name of VirtualNetworkID: %w", err)
	}
	gateway, err := v1alpha1.GatewayAddress(seen.Network.Spec.NodeCIDR)
	if err != nil {
		return nil, fmt.Errorf("nodeCIDR: %w", err)
	}
	status := slipwayac.TenantNetworkStatus().
		WithObservedGeneration(seen.Network.Generation).
		WithVNI(int32(vni)).
		WithGateway(slipwayac.Gateway().
			WithIPAddress(gateway.String()).
			WithMACAddress(fabric.MAC(int32(vni), gateway).String()))
	ready := conditions.True(v1alpha1.ConditionReady, "Allocated", "")
	if late := behind(seen.Hosts, string(seen.Network.UID), seen.Network.Generation); len(late) > 0 {
		ready = conditions.False(v1alpha1.ConditionReady, "Programming", "waits for HostNetwork "+strings.Join(late, ", HostNetwork "))
	}
	// Guests have been told the MTU: it stays, whichever HostNetworks come and go.
	mtu := seen.Network.Status.MTU
	if mtu == 0 {
		mtu = mtuOf(seen.Hosts, seen.Network.Spec.MTU)
	}
	if mtu == 0 {
		ready = conditions.False(v1alpha1.ConditionReady, "NoHostNetwork",
			"no node agent has made a HostNetwork yet, and the MTU comes from those")
	} else {
		status.WithMTU(mtu)
	}
	if small := narrow(seen.Hosts, string(seen.Network.UID), mtu); len(small) > 0 {
		ready = conditions.False(v1alpha1.ConditionReady, "MTUTooSmall", fmt.Sprintf(
			"packets of %d bytes and the headers of the tunnel do not fit through HostNetwork %s: raise the MTU of that node's interface",
			mtu, strings.Join(small, ", HostNetwork ")))
	}
	return status.WithConditions(conditions.Apply(seen.Network.Status.Conditions, seen.Network.Generation, ready)...), nil
}

// Blockers names what still has to go before the identifier may.
func Blockers(seen Observation) string {
	var names []string
	if seen.Definition != nil {
		names = append(names, "NetworkAttachmentDefinition "+seen.Definition.Name)
	}
	for _, p := range seen.Ports {
		names = append(names, "NetworkPort "+p.Name)
	}
	for _, name := range carriers(seen.Hosts, string(seen.Network.UID)) {
		names = append(names, "HostNetwork "+name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// KeptStatus is what a network says that gets nothing anymore, with its one
// condition: its nodes still need the rest.
func KeptStatus(seen Observation, ready metav1.Condition) *slipwayac.TenantNetworkStatusApplyConfiguration {
	old := seen.Network.Status
	status := slipwayac.TenantNetworkStatus().WithObservedGeneration(seen.Network.Generation)
	if old.MTU != 0 {
		status.WithMTU(old.MTU)
	}
	if old.VNI != nil {
		status.WithVNI(*old.VNI)
	}
	if old.Gateway != nil {
		status.WithGateway(slipwayac.Gateway().WithIPAddress(old.Gateway.IPAddress).WithMACAddress(old.Gateway.MACAddress))
	}
	return status.WithConditions(conditions.Apply(old.Conditions, seen.Network.Generation, ready)...)
}

// Claims reports whether a number is the network's. The name decides, for a
// network that is restored has another UID; there is never a second of a name.
func Claims(identifier v1alpha1.VirtualNetworkID, network v1alpha1.TenantNetwork) bool {
	ref := identifier.Spec.NetworkRef
	return ref.Namespace == network.Namespace && ref.Name == network.Name
}

// VirtualNetworkID claims a number for a network.
func VirtualNetworkID(network v1alpha1.TenantNetwork, vni int32) *v1alpha1.VirtualNetworkID {
	return &v1alpha1.VirtualNetworkID{
		ObjectMeta: metav1.ObjectMeta{
			Name:   fmt.Sprint(vni),
			Labels: map[string]string{v1alpha1.LabelTenant: network.Namespace},
		},
		Spec: v1alpha1.VirtualNetworkIDSpec{NetworkRef: v1alpha1.NetworkReference{
			Namespace: network.Namespace, Name: network.Name, UID: string(network.UID),
		}},
	}
}

// AttachmentDefinition tells Multus to call the CNI plugin.
func AttachmentDefinition(network v1alpha1.TenantNetwork) (*unstructured.Unstructured, error) {
	config, err := json.Marshal(map[string]any{
		"cniVersion":   "1.0.0",
		"name":         network.Name,
		"type":         "slipway-cni",
		"capabilities": map[string]bool{"mac": true},
	})
	if err != nil {
		return nil, err
	}
	owner := metav1.NewControllerRef(&network, v1alpha1.GroupVersion.WithKind("TenantNetwork"))
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "k8s.cni.cncf.io/v1",
		"kind":       "NetworkAttachmentDefinition",
		"metadata": map[string]any{
			"name": network.Name, "namespace": network.Namespace,
			"labels": map[string]any{v1alpha1.LabelTenant: network.Namespace},
			"ownerReferences": []any{map[string]any{
				"apiVersion": owner.APIVersion, "kind": owner.Kind, "name": owner.Name, "uid": string(owner.UID),
				"controller": true, "blockOwnerDeletion": false,
			}},
		},
		"spec": map[string]any{"config": string(config)},
	}}, nil
}
