package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// NodePool is a group of equal workers of one tenant cluster. It is made from spec.nodePools of the TenantCluster, and
// only its replicas may be set here: with kubectl scale or by an autoscaler, where the TenantCluster leaves them out.
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

	// spec is the desired number of workers, and what each is made of.
	Spec NodePoolSpec `json:"spec"`
	// status is how far the pool is. It is written by the kvm-operator.
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
	// replicas is the number of workers, from 0 to 100. Fewer workers than before are drained before they go.
	// Default: 1
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Replicas *int32 `json:"replicas,omitempty"`
	// template is what each worker is made of. A change replaces the workers one by one, each new one before an old
	// one goes.
	Template MachineSpec `json:"template"`
	// drainTimeoutSeconds is how long pods have to leave a worker that goes, from 1 to 86400.
	// Default: what the platform team has set for all, 60 if it has not.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=86400
	DrainTimeoutSeconds *int32 `json:"drainTimeoutSeconds,omitempty"`
}

// NodePoolStatus counts workers.
type NodePoolStatus struct {
	// observedGeneration is the metadata.generation that this status is about. While it is smaller than that of the
	// object, the last change of spec has not been looked at.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// replicas is the number of Machines of the pool that are not being deleted.
	// +optional
	Replicas int32 `json:"replicas"`
	// readyReplicas is the number of Machines of the pool whose Node is Ready.
	// +optional
	ReadyReplicas int32 `json:"readyReplicas"`
	// selector is the label selector of the pool's Machines, which autoscalers ask for.
	// +optional
	Selector string `json:"selector,omitempty"`
	// conditions: Ready is True when as many workers as asked for are Ready, and none is left that spec no longer wants.
	// Its message names the Machine that blocks.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Machine is one worker: a virtual machine, its NIC, its bootstrap data and its Node. Machines are made by their
// NodePool. Deleting one drains its Node, and the pool makes another.
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

	// spec is what the worker is made of. It cannot change.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a Machine is immutable; delete it, and its NodePool makes another"
	Spec MachineSpec `json:"spec"`
	// status is how far the worker is. It is written by the kvm-operator.
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
	// version of Kubernetes on the worker, which is the tag of its image.
	// Example: v1.36.3
	Version KubernetesVersion `json:"version"`
	// networkName is the TenantNetwork in the same namespace that the worker's NIC is on.
	NetworkName string `json:"networkName"`
	// machine is the worker's hardware.
	Machine MachineSize `json:"machine"`
	// labels are put on the worker's Node. At most 32.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	Labels map[string]NodeLabelValue `json:"labels,omitempty"`
	// taints are put on the worker's Node, and keep away pods that do not tolerate them. At most 16.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Taints []NodeTaint `json:"taints,omitempty"`
	// kubelet is what the worker's kubelet does otherwise than others.
	// +optional
	Kubelet *KubeletSettings `json:"kubelet,omitempty"`
	// cluster is what the worker needs to know of its cluster in order to join it.
	Cluster MachineCluster `json:"cluster"`
}

// MachineCluster is what a worker needs to know of its cluster.
type MachineCluster struct {
	// apiServer is the URL of the cluster's API on the cluster's own network.
	// Example: https://10.200.0.10:6443
	APIServer string `json:"apiServer"`
	// dnsAddress is the address of the cluster's DNS Service, which pods ask for names.
	// Example: 10.96.0.10
	DNSAddress string `json:"dnsAddress"`
	// dnsDomain is the DNS domain of Services inside the cluster.
	// Example: cluster.local
	DNSDomain string `json:"dnsDomain"`
	// podCIDR is the range of the addresses of all pods of the cluster.
	// Example: 10.244.0.0/16
	PodCIDR CIDR `json:"podCIDR"`
	// cni is who provides the pod network: bridge is Slipway, none is a network plugin that the cluster's users install.
	CNI CNI `json:"cni"`
	// registries say where containerd asks for the images of a registry. The Secrets that they name are in the
	// namespace of this object. At most 16.
	// +optional
	// +listType=map
	// +listMapKey=host
	// +kubebuilder:validation:MaxItems=16
	Registries []Registry `json:"registries,omitempty"`
}

// MachineStatus is how far a worker is.
type MachineStatus struct {
	// observedGeneration is the metadata.generation that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// ipAddress of the worker on the cluster's own network; absent until it is allocated.
	// +optional
	IPAddress string `json:"ipAddress,omitempty"`
	// podCIDR is the range of the addresses of the worker's pods; absent until the cluster's controller manager has
	// given the Node one.
	// +optional
	PodCIDR string `json:"podCIDR,omitempty"`
	// conditions say how far the worker is. Ready is True when all of these are: NetworkReady (its NIC has an address),
	// BootstrapReady (its bootstrap data is written), GuestRunning (its virtual machine runs) and NodeReady (its Node is
	// Ready). Drained says, while the Machine is being deleted, whether its pods have left. The message of a condition
	// that is not True names what blocks it.
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
