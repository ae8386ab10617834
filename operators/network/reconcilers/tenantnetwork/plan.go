package tenantnetwork

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
	"slipway.dev/operators/network/fabric"
)

// plan decides about the status of a network that has its identifier.
func plan(seen observation) (*slipwayac.TenantNetworkStatusApplyConfiguration, error) {
	vni, err := strconv.ParseInt(seen.identifier.Name, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("name of VirtualNetworkID: %w", err)
	}
	gateway, err := v1alpha1.GatewayAddress(seen.network.Spec.NodeCIDR)
	if err != nil {
		return nil, fmt.Errorf("nodeCIDR: %w", err)
	}
	status := slipwayac.TenantNetworkStatus().
		WithObservedGeneration(seen.network.Generation).
		WithVNI(int32(vni)).
		WithGateway(slipwayac.Gateway().
			WithIPAddress(gateway.String()).
			WithMACAddress(fabric.MAC(int32(vni), gateway).String()))
	ready := conditions.True(v1alpha1.ConditionReady, "Allocated", "")
	if behind := fabric.Behind(seen.hosts, string(seen.network.UID), seen.network.Generation); len(behind) > 0 {
		ready = conditions.False(v1alpha1.ConditionReady, "Programming", "waits for HostNetwork "+strings.Join(behind, ", HostNetwork "))
	}
	switch mtu := fabric.MTU(seen.hosts, seen.network.Spec.MTU); {
	case mtu > 0:
		status.WithMTU(mtu)
	case seen.network.Status.MTU > 0:
		// That no HostNetwork is left does not change the NICs that there are.
		status.WithMTU(seen.network.Status.MTU)
	default:
		ready = conditions.False(v1alpha1.ConditionReady, "NoHostNetwork",
			"no node agent has made a HostNetwork yet, and the MTU comes from those")
	}
	return status.WithConditions(conditions.Apply(seen.network.Status.Conditions, seen.network.Generation, ready)...), nil
}

// blockers names what still has to go before the identifier may.
func blockers(seen observation) string {
	var names []string
	if seen.definition != nil {
		names = append(names, "NetworkAttachmentDefinition "+seen.definition.Name)
	}
	for _, p := range seen.ports {
		names = append(names, "NetworkPort "+p.Name)
	}
	for _, name := range fabric.Carriers(seen.hosts, string(seen.network.UID)) {
		names = append(names, "HostNetwork "+name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// keptStatus is what a network says that gets nothing anymore, with its one
// condition: its nodes still need the rest.
func keptStatus(seen observation, ready metav1.Condition) *slipwayac.TenantNetworkStatusApplyConfiguration {
	old := seen.network.Status
	status := slipwayac.TenantNetworkStatus().WithObservedGeneration(seen.network.Generation)
	if old.MTU != 0 {
		status.WithMTU(old.MTU)
	}
	if old.VNI != nil {
		status.WithVNI(*old.VNI)
	}
	if old.Gateway != nil {
		status.WithGateway(slipwayac.Gateway().WithIPAddress(old.Gateway.IPAddress).WithMACAddress(old.Gateway.MACAddress))
	}
	return status.WithConditions(conditions.Apply(old.Conditions, seen.network.Generation, ready)...)
}

// claims reports whether a number is the network's. The name decides, for a
// network that is restored has another UID; there is never a second of a name.
func claims(identifier v1alpha1.VirtualNetworkID, network v1alpha1.TenantNetwork) bool {
	ref := identifier.Spec.NetworkRef
	return ref.Namespace == network.Namespace && ref.Name == network.Name
}

func virtualNetworkID(network v1alpha1.TenantNetwork, vni int32) *v1alpha1.VirtualNetworkID {
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

// attachmentDefinition tells Multus to call the CNI plugin.
func attachmentDefinition(network v1alpha1.TenantNetwork) (runtime.ApplyConfiguration, error) {
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
	object := map[string]any{
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
	}
	return client.ApplyConfigurationFromUnstructured(&unstructured.Unstructured{Object: object}), nil
}
