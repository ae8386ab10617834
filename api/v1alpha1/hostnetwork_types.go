package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ConditionProgrammed of a HostNetwork says whether its node is as its agent wants it.
const ConditionProgrammed = "Programmed"

// HostNetwork is what one node of the management cluster has of the tenants' networks. It is named like the node.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=hnet,categories=slipway
// +kubebuilder:printcolumn:name="VTEP",type=string,JSONPath=`.spec.vtep`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Networks",type=integer,JSONPath=`.status.networkCount`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type HostNetwork struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what other nodes need to know to reach this one.
	Spec HostNetworkSpec `json:"spec"`
	// status is what is set up on the node.
	// +optional
	Status HostNetworkStatus `json:"status,omitempty"`
}

// HostNetworkList is a list of HostNetwork.
//
// +kubebuilder:object:root=true
type HostNetworkList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []HostNetwork `json:"items"`
}

// HostNetworkSpec is what other nodes need to reach this one.
type HostNetworkSpec struct {
	// vtep is the address at which this node takes the packets of tenants' networks from other nodes.
	VTEP string `json:"vtep"`
	// mtu is the size in bytes of the largest packet of the interface that has the address vtep.
	MTU int32 `json:"mtu"`
	// addresses are the node's own IPv4 addresses, without those of management pods and Services. No tenant may connect
	// to them, from whichever node.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=1024
	Addresses []string `json:"addresses,omitempty"`
}

// HostNetworkStatus is what the node has programmed.
type HostNetworkStatus struct {
	// networks are those of which the node has a NIC.
	// +optional
	// +listType=map
	// +listMapKey=vni
	Networks []ProgrammedNetwork `json:"networks,omitempty"`
	// networkCount is the number of networks, for kubectl get.
	// +optional
	NetworkCount int32 `json:"networkCount,omitempty"`
	// conditions: Programmed says whether the node is set up as it should be, and is written by the agent on it. Ready
	// repeats that as long as the agent can report, and is Unknown when it cannot; it is written by the network-operator.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ProgrammedNetwork is one tenant's network on one management node.
type ProgrammedNetwork struct {
	// vni is the VXLAN network identifier of the TenantNetwork.
	VNI int32 `json:"vni"`
	// uid of the TenantNetwork, which distinguishes it from a later one of the same name.
	UID string `json:"uid"`
	// generation is the metadata.generation of the TenantNetwork that is set up completely.
	// +optional
	Generation int64 `json:"generation,omitempty"`
	// ports is the number of the network's NICs that the node can reach, on itself and on other nodes.
	// +optional
	Ports int32 `json:"ports,omitempty"`
}
