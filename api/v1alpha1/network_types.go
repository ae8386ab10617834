package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// TenantNetwork is the overlay network of one tenant.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=tnet,categories=slipway
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="VNI",type=integer,JSONPath=`.status.vni`
// +kubebuilder:printcolumn:name="Nodes",type=string,JSONPath=`.spec.nodeCIDR`
// +kubebuilder:printcolumn:name="Gateway",type=string,JSONPath=`.status.gateway.ipAddress`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type TenantNetwork struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec TenantNetworkSpec `json:"spec"`
	// +optional
	Status TenantNetworkStatus `json:"status,omitempty"`
}

// TenantNetworkList is a list of TenantNetwork.
//
// +kubebuilder:object:root=true
type TenantNetworkList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []TenantNetwork `json:"items"`
}

// TenantNetworkSpec has the ranges of one tenant.
type TenantNetworkSpec struct {
	NodeCIDR    CIDR `json:"nodeCIDR"`
	PodCIDR     CIDR `json:"podCIDR"`
	ServiceCIDR CIDR `json:"serviceCIDR"`
	// mtu wanted, in bytes; the largest that fits when left out.
	// +optional
	MTU *int32 `json:"mtu,omitempty"`
}

// TenantNetworkStatus is what has been allocated.
type TenantNetworkStatus struct {
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// vni is the VXLAN network identifier.
	// +optional
	VNI *int32 `json:"vni,omitempty"`
	// gateway is the tenant's gateway, the same on every management node.
	// +optional
	Gateway *Gateway `json:"gateway,omitempty"`
	// mtu in bytes for every NIC of this network.
	// +optional
	MTU int32 `json:"mtu,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Gateway is the first address of a tenant's network.
type Gateway struct {
	IPAddress  string `json:"ipAddress"`
	MACAddress string `json:"macAddress"`
}

// NetworkPort is one NIC on a tenant's network: its identity is allocated before it exists.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=nport,categories=slipway
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="IP",type=string,JSONPath=`.status.ipAddress`
// +kubebuilder:printcolumn:name="MAC",type=string,JSONPath=`.status.macAddress`
// +kubebuilder:printcolumn:name="Node",type=string,JSONPath=`.status.attachment.nodeName`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type NetworkPort struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec NetworkPortSpec `json:"spec"`
	// +optional
	Status NetworkPortStatus `json:"status,omitempty"`
}

// NetworkPortList is a list of NetworkPort.
//
// +kubebuilder:object:root=true
type NetworkPortList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []NetworkPort `json:"items"`
}

// NetworkPortSpec is what the owner of the NIC asks for.
type NetworkPortSpec struct {
	// networkName is the TenantNetwork, in the same namespace.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="networkName cannot change"
	NetworkName string `json:"networkName"`
	// podName of the pod that gets this NIC; empty for a guest, whose NIC is known by its MAC address.
	// +optional
	PodName string `json:"podName,omitempty"`
	// ipAddress wanted; allocated when empty.
	// +optional
	IPAddress string `json:"ipAddress,omitempty"`
	// routes are ranges that live behind this NIC: the pod CIDRs of a worker.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	Routes []CIDR `json:"routes,omitempty"`
	// managementEgress is all that a pod with this NIC may open on its other, management-side interface.
	// Ignored without podName.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	ManagementEgress []EgressRule `json:"managementEgress,omitempty"`
}

// EgressRule allows connections to a range of addresses and a port.
type EgressRule struct {
	CIDR CIDR `json:"cidr"`
	// +kubebuilder:validation:Enum=TCP;UDP
	Protocol string `json:"protocol"`
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port"`
}

// NetworkPortStatus is the identity of the NIC and where it lives.
type NetworkPortStatus struct {
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// +optional
	MACAddress string `json:"macAddress,omitempty"`
	// +optional
	IPAddress string `json:"ipAddress,omitempty"`
	// prefixLength of nodeCIDR.
	// +optional
	PrefixLength int32 `json:"prefixLength,omitempty"`
	// gateway address for every other range.
	// +optional
	Gateway string `json:"gateway,omitempty"`
	// mtu in bytes.
	// +optional
	MTU int32 `json:"mtu,omitempty"`
	// attachment is written by the agent of the node that holds the NIC.
	// +optional
	Attachment *PortAttachment `json:"attachment,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// PortAttachment says where a NIC is plugged in.
type PortAttachment struct {
	// nodeName of the management node.
	NodeName string `json:"nodeName"`
	// containerID of the pod sandbox, from the CNI call.
	ContainerID string `json:"containerID"`
}

// VirtualNetworkID claims a VXLAN network identifier for one TenantNetwork. Its
// name is the number, so that creating it is the compare-and-swap.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=vni,categories=slipway
// +kubebuilder:printcolumn:name="Namespace",type=string,JSONPath=`.spec.networkRef.namespace`
// +kubebuilder:printcolumn:name="Network",type=string,JSONPath=`.spec.networkRef.name`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[1-9][0-9]{0,7}$')",message="the name is the network identifier, a number from 1 to 16777215"
type VirtualNetworkID struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec VirtualNetworkIDSpec `json:"spec"`
}

// VirtualNetworkIDList is a list of VirtualNetworkID.
//
// +kubebuilder:object:root=true
type VirtualNetworkIDList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []VirtualNetworkID `json:"items"`
}

// VirtualNetworkIDSpec names the owner.
type VirtualNetworkIDSpec struct {
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="networkRef cannot change"
	NetworkRef NetworkReference `json:"networkRef"`
}

// NetworkReference is a TenantNetwork.
type NetworkReference struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
}

// ConditionProgrammed of a HostNetwork says whether its node is as its agent wants it.
const ConditionProgrammed = "Programmed"

// HostNetwork is one management node's part of the fabric, named as the node.
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

	Spec HostNetworkSpec `json:"spec"`
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
	// vtep is the address of this node's end of every tunnel.
	VTEP string `json:"vtep"`
	// mtu of the interface that holds vtep, in bytes.
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
	// networks that this node carries.
	// +optional
	// +listType=map
	// +listMapKey=vni
	Networks []ProgrammedNetwork `json:"networks,omitempty"`
	// +optional
	NetworkCount int32 `json:"networkCount,omitempty"`
	// conditions: Programmed is written by the node's agent; Ready by the network-operator, which knows whether the agent
	// can still report.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ProgrammedNetwork is one tenant's network on one management node.
type ProgrammedNetwork struct {
	VNI int32 `json:"vni"`
	// uid of the TenantNetwork.
	UID string `json:"uid"`
	// generation of the TenantNetwork that is programmed completely.
	// +optional
	Generation int64 `json:"generation,omitempty"`
	// ports that are programmed: local and remote.
	// +optional
	Ports int32 `json:"ports,omitempty"`
}
