package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// TenantNetwork is the network of one tenant cluster: a VXLAN that spans the nodes of the management cluster, with a
// gateway.
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

	// spec has the address ranges of the cluster.
	Spec TenantNetworkSpec `json:"spec"`
	// status is what has been allocated. It is written by the network-operator.
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
	// nodeCIDR is the IPv4 range of the network itself: of workers, API servers and the gateway.
	NodeCIDR CIDR `json:"nodeCIDR"`
	// podCIDR is the IPv4 range of the pods' addresses, which the gateway routes to the workers.
	PodCIDR CIDR `json:"podCIDR"`
	// serviceCIDR is the IPv4 range of the Services' addresses, which never leave a worker.
	ServiceCIDR CIDR `json:"serviceCIDR"`
	// mtu is the size in bytes of the largest packet.
	// Default: the largest that fits into the management cluster's network.
	// +optional
	MTU *int32 `json:"mtu,omitempty"`
}

// TenantNetworkStatus is what has been allocated.
type TenantNetworkStatus struct {
	// observedGeneration is the metadata.generation that this status is about. While it is smaller than that of the
	// object, the last change of spec has not been looked at.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// vni is the VXLAN network identifier, from 1 to 16777215; absent until it is allocated.
	// +optional
	VNI *int32 `json:"vni,omitempty"`
	// gateway of the network, which has the same addresses on every node of the management cluster.
	// +optional
	Gateway *Gateway `json:"gateway,omitempty"`
	// mtu is the size in bytes of the largest packet, which every NIC of this network is set to.
	// +optional
	MTU int32 `json:"mtu,omitempty"`
	// conditions: Ready is True when every node that carries the network is set up for spec as it is now. Its message
	// names the node that blocks.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Gateway is the first address of a tenant's network.
type Gateway struct {
	// ipAddress is the first address of nodeCIDR.
	IPAddress string `json:"ipAddress"`
	// macAddress is made from vni and ipAddress.
	MACAddress string `json:"macAddress"`
}

// NetworkPort is one NIC on a tenant's network. Its addresses are allocated before it exists.
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

	// spec is what the owner of the NIC asks for.
	Spec NetworkPortSpec `json:"spec"`
	// status has the addresses of the NIC, and where it is plugged in.
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
	// networkName is the TenantNetwork in the same namespace that the NIC is on. It cannot change.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="networkName cannot change; create another NetworkPort"
	NetworkName string `json:"networkName"`
	// podName is the pod that gets this NIC; empty for a virtual machine, whose NIC is known by its MAC address.
	// +optional
	PodName string `json:"podName,omitempty"`
	// ipAddress that the NIC is to have.
	// Default: one that is free is allocated.
	// +optional
	IPAddress string `json:"ipAddress,omitempty"`
	// routes are ranges that are reached through this NIC: those of a worker's pods. At most 64.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	Routes []CIDR `json:"routes,omitempty"`
	// managementEgress are the only connections that a pod with this NIC may open on its other interface, which is on
	// the management cluster's network. It is ignored without podName. At most 16.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	ManagementEgress []EgressRule `json:"managementEgress,omitempty"`
}

// EgressRule allows connections to a range of addresses and a port.
type EgressRule struct {
	// cidr is the IPv4 range to which connections may be opened.
	CIDR CIDR `json:"cidr"`
	// protocol of the connections: TCP or UDP.
	// +kubebuilder:validation:Enum=TCP;UDP
	Protocol string `json:"protocol"`
	// port to which connections may be opened, from 1 to 65535.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port"`
}

// NetworkPortStatus is the identity of the NIC and where it lives.
type NetworkPortStatus struct {
	// observedGeneration is the metadata.generation that this status is about. While it is smaller than that of the
	// object, the last change of spec has not been looked at.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// macAddress of the NIC; absent until it is allocated.
	// +optional
	MACAddress string `json:"macAddress,omitempty"`
	// ipAddress of the NIC; absent until it is allocated.
	// +optional
	IPAddress string `json:"ipAddress,omitempty"`
	// prefixLength is that of the network's nodeCIDR, for example 24.
	// +optional
	PrefixLength int32 `json:"prefixLength,omitempty"`
	// gateway is the address through which all other ranges are reached.
	// +optional
	Gateway string `json:"gateway,omitempty"`
	// mtu is the size in bytes of the largest packet that the NIC sends.
	// +optional
	MTU int32 `json:"mtu,omitempty"`
	// attachment is where the NIC is plugged in; absent while it is nowhere. It is written by the agent of that node.
	// +optional
	Attachment *PortAttachment `json:"attachment,omitempty"`
	// conditions: Ready is True when the NIC has its addresses. Its message says what is wrong with what was asked for.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Reasons why a NetworkPort is not Ready and is given no address, or no other than it has.
const (
	ReasonInvalidAddress = "InvalidAddress"
	ReasonAddressTaken   = "AddressTaken"
	ReasonAddressFixed   = "AddressFixed"
	ReasonNetworkFull    = "NetworkFull"
)

// PortAttachment says where a NIC is plugged in.
type PortAttachment struct {
	// nodeName is the node of the management cluster that has the NIC.
	NodeName string `json:"nodeName"`
	// containerID of the pod that has the NIC, as the container runtime names its sandbox.
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

	// spec says whose the identifier is.
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
	// networkRef is the TenantNetwork that has the identifier. It cannot change.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="networkRef cannot change; create another VirtualNetworkID"
	NetworkRef NetworkReference `json:"networkRef"`
}

// NetworkReference is a TenantNetwork.
type NetworkReference struct {
	// namespace of the TenantNetwork.
	Namespace string `json:"namespace"`
	// name of the TenantNetwork.
	Name string `json:"name"`
	// uid of the TenantNetwork, which distinguishes it from a later one of the same name.
	UID string `json:"uid"`
}
