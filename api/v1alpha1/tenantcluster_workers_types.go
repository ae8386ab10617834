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

	// kubelet is what the workers' kubelets do otherwise than others. A change
	// replaces the workers one by one.
	// Example: {maxPods: 200, shutdownGracePeriodSeconds: 60}
	// +optional
	Kubelet *KubeletSettings `json:"kubelet,omitempty"`

	// drainTimeoutSeconds is how long pods have to leave a worker that goes, from
	// 1 to 86400. After that it goes with those that are left, whose own grace
	// period may not be over; an event of its Machine names them.
	// Default: what the platform team has set for all, 60 if it has not.
	// Example: 600
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=86400
	DrainTimeoutSeconds *int32 `json:"drainTimeoutSeconds,omitempty"`
}

// KubeletSettings are settings of a worker's kubelet.
type KubeletSettings struct {
	// maxPods is how many pods a worker runs at most, from 1 to 250.
	// Default: 110
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=250
	MaxPods *int32 `json:"maxPods,omitempty"`

	// reserved is what of a worker pods do not get, for the kubelet, containerd
	// and what else runs beside pods. It has to leave pods something.
	// Default: {cpu: 50m, memory: 200Mi}
	// Example: {cpu: 100m, memory: 500Mi}
	// +optional
	Reserved KubeletReserved `json:"reserved,omitzero"`

	// evictionHard is how much of what may be free of a worker's memory, disk and
	// process numbers before its kubelet ends pods, by signal: in bytes, a number,
	// or a percentage. Those that are left out have their defaults.
	// Default: {memory.available: 100Mi, nodefs.available: 10%, nodefs.inodesFree: 5%, imagefs.available: 15%, imagefs.inodesFree: 5%}
	// Example: {memory.available: 500Mi, nodefs.available: 5%}
	// +optional
	// +kubebuilder:validation:MaxProperties=6
	// +kubebuilder:validation:XValidation:rule="self.all(k, k in ['memory.available', 'nodefs.available', 'nodefs.inodesFree', 'imagefs.available', 'imagefs.inodesFree', 'pid.available'])",message="not a signal of the kubelet; use memory.available, nodefs.available, nodefs.inodesFree, imagefs.available, imagefs.inodesFree or pid.available"
	EvictionHard map[string]EvictionThreshold `json:"evictionHard,omitempty"`

	// shutdownGracePeriodSeconds is how long pods have to end when their worker is
	// stopped, from 5 to 600. A worker that Slipway takes away is drained before.
	// Default: 5
	// +optional
	// +kubebuilder:validation:Minimum=5
	// +kubebuilder:validation:Maximum=600
	ShutdownGracePeriodSeconds *int32 `json:"shutdownGracePeriodSeconds,omitempty"`
}

// KubeletReserved are amounts of cpu and memory.
type KubeletReserved struct {
	// cpu in cores, or thousandths of one with m, from 10m to 64.
	// Example: 100m
	// +optional
	// +kubebuilder:validation:MaxLength=6
	// +kubebuilder:validation:XValidation:rule="self.matches('^([1-9][0-9]{1,4}m|[1-9]|[1-5][0-9]|6[0-4])$')",message="what is reserved of cpu is a text of whole cores up to 64, or of thousandths from 10m; use for example 100m"
	CPU string `json:"cpu,omitempty"`

	// memory in bytes, from 100Mi to 999Gi.
	// Example: 500Mi
	// +optional
	// +kubebuilder:validation:MaxLength=8
	// +kubebuilder:validation:XValidation:rule="self.matches('^([1-9][0-9]{2,5}Mi|[1-9][0-9]{0,2}Gi)$')",message="what is reserved of memory is a whole number of Mi, at least 100, or of Gi; use for example 500Mi"
	Memory string `json:"memory,omitempty"`
}

// EvictionThreshold is an amount in bytes, a number, or a percentage.
//
// +kubebuilder:validation:MaxLength=20
// +kubebuilder:validation:XValidation:rule="self.matches('^([1-9]|[1-9][0-9])%$') || self.matches('^[1-9][0-9]{0,11}(k|M|G|T|Ki|Mi|Gi|Ti)?$')",message="a threshold is a whole number of bytes, with Mi or Gi if you like, or a percentage from 1% to 99%; use for example 500Mi or 5%"
type EvictionThreshold string

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
