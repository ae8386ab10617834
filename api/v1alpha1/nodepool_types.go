package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// NodePool is a group of equal workers of one tenant.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicas,statuspath=.status.replicas,selectorpath=.status.selector
// +kubebuilder:resource:shortName=np,categories=slipway
// +kubebuilder:printcolumn:name="Desired",type=integer,JSONPath=`.spec.replicas`
// +kubebuilder:printcolumn:name="Current",type=integer,JSONPath=`.status.replicas`
// +kubebuilder:printcolumn:name="Ready",type=integer,JSONPath=`.status.readyReplicas`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.spec.template.version`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type NodePool struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec NodePoolSpec `json:"spec"`
	// +optional
	Status NodePoolStatus `json:"status,omitempty"`
}

// NodePoolList is a list of NodePool.
//
// +kubebuilder:object:root=true
type NodePoolList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []NodePool `json:"items"`
}

// NodePoolSpec is how many workers and of which kind.
type NodePoolSpec struct {
	// replicas is the number of workers.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Replicas *int32 `json:"replicas,omitempty"`
	// template of the workers.
	Template MachineSpec `json:"template"`
}

// NodePoolStatus counts workers.
type NodePoolStatus struct {
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// replicas is the number of Machines that are not being deleted.
	// +optional
	Replicas int32 `json:"replicas"`
	// readyReplicas is the number of Machines whose Node is Ready.
	// +optional
	ReadyReplicas int32 `json:"readyReplicas"`
	// selector of the pool's Machines, for autoscalers.
	// +optional
	Selector string `json:"selector,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Machine is one worker: a guest, its NIC, its bootstrap data and its Node.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=ma,categories=slipway
// +kubebuilder:printcolumn:name="Pool",type=string,JSONPath=`.metadata.labels.slipway\.dev/pool`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="IP",type=string,JSONPath=`.status.ipAddress`
// +kubebuilder:printcolumn:name="Pods",type=string,JSONPath=`.status.podCIDR`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Machine struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a Machine is immutable; delete it, and its NodePool makes another"
	Spec MachineSpec `json:"spec"`
	// +optional
	Status MachineStatus `json:"status,omitempty"`
}

// MachineList is a list of Machine.
//
// +kubebuilder:object:root=true
type MachineList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Machine `json:"items"`
}

// MachineSpec is everything that a worker is made of.
type MachineSpec struct {
	// version of the kubelet and the guest image.
	Version KubernetesVersion `json:"version"`
	// networkName is the TenantNetwork, in the same namespace.
	NetworkName string `json:"networkName"`
	// machine is the hardware.
	Machine MachineSize `json:"machine"`
	// labels of the Node.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	Labels map[string]NodeLabelValue `json:"labels,omitempty"`
	// taints of the Node.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Taints []NodeTaint `json:"taints,omitempty"`
	// cluster is what the worker needs to know of its cluster.
	Cluster MachineCluster `json:"cluster"`
}

// MachineCluster is what a worker needs to know of its cluster.
type MachineCluster struct {
	// apiServer is the URL of the API on the tenant's network.
	APIServer string `json:"apiServer"`
	// dnsAddress is the address of the cluster's DNS Service.
	DNSAddress string `json:"dnsAddress"`
	// dnsDomain is the DNS domain inside the tenant.
	DNSDomain string `json:"dnsDomain"`
	// podCIDR of the whole tenant.
	PodCIDR CIDR `json:"podCIDR"`
	// cni is bridge or none.
	CNI CNI `json:"cni"`
	// registries as containerd reaches them. Their Secrets are copies in the hosted namespace.
	// +optional
	// +listType=map
	// +listMapKey=host
	// +kubebuilder:validation:MaxItems=16
	Registries []Registry `json:"registries,omitempty"`
}

// MachineStatus is what is there.
type MachineStatus struct {
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// ipAddress on the tenant's network.
	// +optional
	IPAddress string `json:"ipAddress,omitempty"`
	// podCIDR that the tenant's controller manager gave the Node.
	// +optional
	PodCIDR string `json:"podCIDR,omitempty"`
	// conditions: Ready summarises NetworkReady, BootstrapReady, GuestRunning, NodeReady; Drained while deleting.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Condition types of a Machine.
const (
	ConditionBootstrapReady = "BootstrapReady"
	ConditionGuestRunning   = "GuestRunning"
	ConditionNodeReady      = "NodeReady"
	ConditionDrained        = "Drained"
)

// LabelPool is on every Machine: the name of its NodePool.
const LabelPool = "slipway.dev/pool"

// AnnotationMachineHash on a Machine is the hash of the template it was made from.
const AnnotationMachineHash = "slipway.dev/template-hash"

// AnnotationMachineSurplus is on a Machine that was deleted because its NodePool
// wants fewer, and not because something is wrong with it.
const AnnotationMachineSurplus = "slipway.dev/surplus"
