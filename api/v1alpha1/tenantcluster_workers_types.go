package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// DefaultNodeReplicas is the size of a pool whose replicas nobody has set.
const DefaultNodeReplicas = 1

// ClusterNodePool is a group of equal workers.
type ClusterNodePool struct {
	// name of the pool, at most 40 characters. Its workers are called
	// NAME-XXXXX.
	// Example: workers
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="a nodePool's name must be a DNS label: lower-case letters, digits and '-', beginning with a letter; for example 'workers'"
	Name string `json:"name"`

	// replicas is the number of workers, from 0 to 100. Leave it out to scale
	// the NodePool itself, with kubectl scale or an autoscaler; the pool then
	// begins with 1.
	// Example: 3
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Replicas *int32 `json:"replicas,omitempty"`

	// version of Kubernetes on the workers: at most that of the control plane,
	// and at most three minor versions older. A change replaces the workers one
	// by one.
	// Default: spec.version.
	// Example: v1.36.3
	// +optional
	Version *KubernetesVersion `json:"version,omitempty"`

	// machine is the hardware of each worker. A change replaces the workers one
	// by one.
	// Default: {cores: 2, memory: 2Gi, disk: 10Gi}
	// +optional
	// +kubebuilder:default={}
	Machine MachineSize `json:"machine,omitempty"`

	// A kubelet gets its labels as a flag: what is no label must not pass.

	// labels are put on the workers' Nodes. A change replaces the workers one by one. At
	// most 32.
	// Example: {example.com/disk: fast}
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, !format.qualifiedName().validate(k).hasValue())",message="not the key of a label; use [DOMAIN/]NAME, where NAME has at most 63 letters, digits, '-', '_' and '.', for example example.com/disk"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.matches('^([^/]*[.])?(kubernetes|k8s)[.]io/'))",message="labels under kubernetes.io and k8s.io are Kubernetes' own and a kubelet may not set them; use a domain of your own, for example example.com/role"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.matches('^([^/]*[.])?slipway[.]dev/'))",message="labels under slipway.dev are set by Slipway; use a domain of your own, for example example.com/role"
	Labels map[string]NodeLabelValue `json:"labels,omitempty"`

	// taints of the workers' Nodes, which keep away pods that do not tolerate
	// them. A change replaces the workers one by one. At most 16.
	// Example: [{key: example.com/dedicated, value: db, effect: NoSchedule}]
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:XValidation:rule="self.all(t, self.exists_one(o, o.key == t.key && o.effect == t.effect))",message="two taints have the same key and effect; use each key and effect once"
	Taints []NodeTaint `json:"taints,omitempty"`
}

// NodeLabelValue is the value of a label of a Node.
//
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="self.matches('^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$')",message="a label's value has letters, digits, '-', '_' and '.', beginning and ending with a letter or digit; for example fast"
type NodeLabelValue string

// NodeTaint keeps pods that do not tolerate it away from a worker.
type NodeTaint struct {
	// key of the taint, in the form of a label's key.
	// Example: example.com/dedicated
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:XValidation:rule="!format.qualifiedName().validate(self).hasValue()",message="a taint's key is a label key, for example example.com/dedicated"
	// +kubebuilder:validation:XValidation:rule="!self.matches('^node([.]cloudprovider)?[.]kubernetes[.]io/')",message="taints under node.kubernetes.io are set and removed by Kubernetes itself; use a domain of your own, for example example.com/dedicated"
	Key string `json:"key"`
	// value of the taint, at most 63 characters.
	// Default: empty.
	// Example: db
	// +optional
	Value NodeLabelValue `json:"value,omitempty"`
	// effect on pods that do not tolerate the taint: NoSchedule keeps new ones
	// away, PreferNoSchedule does so where it can, and NoExecute also evicts
	// those that run.
	// +kubebuilder:validation:Enum=NoSchedule;PreferNoSchedule;NoExecute
	Effect corev1.TaintEffect `json:"effect"`
}

// MachineSize is the hardware of one worker.
type MachineSize struct {
	// cores is the number of processors, from 1 to 128.
	// Default: 2
	// +optional
	// +kubebuilder:default=2
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=128
	Cores int32 `json:"cores,omitempty"`

	// Quantities are schemaless because of text that is none: by the schema of its type the API server would answer with
	// a regular expression, and ask no rule.

	// memory in bytes, from 1Gi to 4Ti.
	// Default: 2Gi
	// +optional
	// +kubebuilder:default="2Gi"
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self))",message="not a quantity of bytes; write a number with Mi, Gi or Ti and nothing in between, for example 8Gi"
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('1Gi')) >= 0",message="a guest needs at least 1Gi of memory to run a kubelet and pods; use 1Gi or more"
	// +kubebuilder:validation:XValidation:rule="[quantity(string(self))].all(q, q.compareTo(quantity('1Gi')) < 0 || q.compareTo(quantity('4Ti')) <= 0 && q.sub(int(q.asApproximateFloat() + 0.5)).compareTo(quantity('0')) == 0)",message="a guest's memory is in whole bytes and at most 4Ti; use for example 8Gi"
	Memory resource.Quantity `json:"memory,omitzero"`

	// disk in bytes, for images, containers and logs, from 4Gi to 64Ti.
	// Default: 10Gi
	// +optional
	// +kubebuilder:default="10Gi"
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self))",message="not a quantity of bytes; write a number with Mi, Gi or Ti and nothing in between, for example 100Gi"
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('4Gi')) >= 0",message="a guest needs at least 4Gi of disk for images and logs; use 4Gi or more"
	// +kubebuilder:validation:XValidation:rule="[quantity(string(self))].all(q, q.compareTo(quantity('4Gi')) < 0 || q.compareTo(quantity('64Ti')) <= 0 && q.sub(int(q.asApproximateFloat() + 0.5)).compareTo(quantity('0')) == 0)",message="a guest's disk is in whole bytes and at most 64Ti; use for example 100Gi"
	Disk resource.Quantity `json:"disk,omitzero"`
}
