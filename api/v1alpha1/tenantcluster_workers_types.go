package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// DefaultNodeReplicas is the size of a pool whose replicas nobody has set.
const DefaultNodeReplicas = 1

// ClusterNodePool is a group of equal workers.
type ClusterNodePool struct {
	// name of the pool; workers are called NAME-XXXXX.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="a nodePool's name must be a DNS label: lower-case letters, digits and '-', beginning with a letter; for example 'workers'"
	Name string `json:"name"`

	// replicas is the number of workers. Leave it out to scale the NodePool itself, with kubectl scale or an autoscaler.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Replicas *int32 `json:"replicas,omitempty"`

	// version of the kubelet; the control plane's when left out.
	// +optional
	Version *KubernetesVersion `json:"version,omitempty"`

	// machine is the hardware of one worker.
	// +optional
	// +kubebuilder:default={}
	Machine MachineSize `json:"machine,omitempty"`

	// labels of the workers' Nodes.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.matches('(^|[.])(kubernetes|k8s)[.]io/'))",message="labels under kubernetes.io and k8s.io are Kubernetes' own and a kubelet may not set them; use a domain of your own"
	Labels map[string]NodeLabelValue `json:"labels,omitempty"`

	// taints of the workers' Nodes.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Taints []NodeTaint `json:"taints,omitempty"`
}

// NodeLabelValue is the value of a label of a Node.
//
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="self.matches('^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$')",message="a label's value has letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
type NodeLabelValue string

// NodeTaint keeps pods that do not tolerate it away from a worker.
type NodeTaint struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$')",message="a taint's key is a label key, for example example.com/dedicated"
	Key string `json:"key"`
	// +optional
	Value NodeLabelValue `json:"value,omitempty"`
	// +kubebuilder:validation:Enum=NoSchedule;PreferNoSchedule;NoExecute
	Effect corev1.TaintEffect `json:"effect"`
}

// MachineSize is the hardware of one worker.
type MachineSize struct {
	// cores of the guest.
	// +optional
	// +kubebuilder:default=2
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=128
	Cores int32 `json:"cores,omitempty"`

	// memory of the guest.
	// +optional
	// +kubebuilder:default="2Gi"
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('1Gi')) >= 0",message="a guest needs at least 1Gi of memory to run a kubelet and pods; use 1Gi or more"
	Memory resource.Quantity `json:"memory,omitzero"`

	// disk for images, containers and logs.
	// +optional
	// +kubebuilder:default="10Gi"
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('4Gi')) >= 0",message="a guest needs at least 4Gi of disk for images and logs; use 4Gi or more"
	Disk resource.Quantity `json:"disk,omitzero"`
}
