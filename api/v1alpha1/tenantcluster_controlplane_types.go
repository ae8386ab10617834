package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// KubernetesVersion is a release of Kubernetes that this release of Slipway runs.
//
// +kubebuilder:validation:MaxLength=20
// +kubebuilder:validation:XValidation:rule="self.matches('^v1[.][0-9]+[.][0-9]+$')",message="a version has the form v1.MINOR.PATCH, for example v1.36.3"
// +kubebuilder:validation:XValidation:rule="!self.matches('^v1[.][0-9]+[.][0-9]+$') || self in ['v1.36.3']",message="this release of Slipway does not know that version; use v1.36.3"
type KubernetesVersion string

// SupportedVersions are the releases that KubernetesVersion accepts.
var SupportedVersions = []KubernetesVersion{"v1.36.3"}

// ControlPlane sizes the pods of the hosted control plane.
type ControlPlane struct {
	// replicas is how many API servers, controller managers and schedulers there
	// are, from 1 to 5. Several survive the loss of a management node.
	// Default: 1
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=5
	Replicas int32 `json:"replicas,omitempty"`

	// The default is spelled out because rules are checked against it before the
	// defaults of its fields.

	// etcd sizes the store of the cluster's objects. It is the cluster's own,
	// and nothing of it can change later.
	//
	// +optional
	// +kubebuilder:default={replicas: 1, storage: "2Gi"}
	Etcd Etcd `json:"etcd,omitempty"`

	// resources of each API server. The other components take a share of them,
	// and how many requests are worked on at once follows the limit of memory.
	// Until the control plane is ready, 200m CPU is requested where that is more.
	// Default: requests of 25m CPU and 160Mi memory, and a limit of 1Gi memory,
	// or of the request if that is more.
	// Example: {requests: {cpu: 500m, memory: 1Gi}, limits: {memory: 2Gi}}
	// +optional
	Resources ControlPlaneResources `json:"resources,omitempty"`
}

// ControlPlaneResources are the requests and limits of one API server.
//
// +kubebuilder:validation:XValidation:rule="!has(self.requests) || !has(self.limits) || !has(self.requests.cpu) || !has(self.limits.cpu) || !isQuantity(string(self.requests.cpu)) || !isQuantity(string(self.limits.cpu)) || quantity(string(self.requests.cpu)).compareTo(quantity(string(self.limits.cpu))) <= 0",message="the cpu that an API server requests is above its limit; use a limit of at least the request, for example requests: {cpu: 1} with limits: {cpu: 2}"
// +kubebuilder:validation:XValidation:rule="!has(self.requests) || !has(self.limits) || !has(self.requests.memory) || !has(self.limits.memory) || !isQuantity(string(self.requests.memory)) || !isQuantity(string(self.limits.memory)) || quantity(string(self.requests.memory)).compareTo(quantity(string(self.limits.memory))) <= 0",message="the memory that an API server requests is above its limit; use a limit of at least the request, for example requests: {memory: 1Gi} with limits: {memory: 2Gi}"
type ControlPlaneResources struct {
	// requests is what is set aside for each API server: cpu in cores, at least
	// 10m, and memory in bytes, at least 64Mi.
	// Example: {cpu: 500m, memory: 1Gi}
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(self.cpu) || !isQuantity(string(self.cpu)) || string(self.cpu).matches('^[0-9]{1,7}(m|[.][0-9]{1,3}0*)?$') && [quantity(string(self.cpu))].all(q, q.compareTo(quantity('10m')) >= 0 && q.compareTo(quantity('128')) <= 0)",message="a request of cpu is in cores or whole thousandths of one, at least 10m and at most 128; use for example 500m or 2"
	// +kubebuilder:validation:XValidation:rule="!has(self.memory) || !isQuantity(string(self.memory)) || [quantity(string(self.memory))].all(q, q.compareTo(quantity('64Mi')) >= 0 && q.compareTo(quantity('1Ti')) <= 0 && q.sub(int(q.asApproximateFloat() + 0.5)).compareTo(quantity('0')) == 0)",message="a request of memory is in whole bytes, at least 64Mi and at most 1Ti; use for example 1Gi"
	Requests ComputeResources `json:"requests,omitzero"`

	// limits is what each API server can use at most: cpu in cores, at least
	// 100m, and memory in bytes, at least 256Mi. An API server that needs more
	// memory is restarted.
	// Example: {memory: 2Gi}
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(self.cpu) || !isQuantity(string(self.cpu)) || string(self.cpu).matches('^[0-9]{1,7}(m|[.][0-9]{1,3}0*)?$') && [quantity(string(self.cpu))].all(q, q.compareTo(quantity('100m')) >= 0 && q.compareTo(quantity('128')) <= 0)",message="a limit of cpu is in cores or whole thousandths of one, at least 100m and at most 128, since an API server does not start with less; use for example 2"
	// +kubebuilder:validation:XValidation:rule="!has(self.memory) || !isQuantity(string(self.memory)) || [quantity(string(self.memory))].all(q, q.compareTo(quantity('256Mi')) >= 0 && q.compareTo(quantity('1Ti')) <= 0 && q.sub(int(q.asApproximateFloat() + 0.5)).compareTo(quantity('0')) == 0)",message="a limit of memory is in whole bytes, at least 256Mi and at most 1Ti, since an API server does not start with less; use for example 2Gi"
	Limits ComputeResources `json:"limits,omitzero"`
}

// ComputeResources are amounts of cpu and memory.
type ComputeResources struct {
	// cpu in cores, or thousandths of one with m.
	// Example: 500m
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self))",message="not a quantity of cores; write a number, or thousandths with m, for example 2 or 500m"
	CPU *resource.Quantity `json:"cpu,omitempty"`

	// memory in bytes.
	// Example: 1Gi
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self))",message="not a quantity of bytes; write a number with Mi, Gi or Ti and nothing in between, for example 1Gi"
	Memory *resource.Quantity `json:"memory,omitempty"`
}

// List is what there is of them, as pods have it.
func (c ComputeResources) List() corev1.ResourceList {
	list := corev1.ResourceList{}
	if c.CPU != nil {
		list[corev1.ResourceCPU] = *c.CPU
	}
	if c.Memory != nil {
		list[corev1.ResourceMemory] = *c.Memory
	}
	return list
}

// Etcd sizes the store of one tenant.
//
// +kubebuilder:validation:XValidation:rule="self.replicas == oldSelf.replicas",message="controlPlane.etcd.replicas cannot change; create another TenantCluster"
// +kubebuilder:validation:XValidation:rule="!has(self.storageClassName) ? !has(oldSelf.storageClassName) : has(oldSelf.storageClassName) && self.storageClassName == oldSelf.storageClassName",message="controlPlane.etcd.storageClassName cannot change; create another TenantCluster"
// +kubebuilder:validation:XValidation:rule="quantity(string(self.storage)).compareTo(quantity(string(oldSelf.storage))) == 0",message="controlPlane.etcd.storage cannot change; create another TenantCluster"
type Etcd struct {
	// replicas is the number of etcd members: 1, 3 or 5. An even number would
	// cost more and survive nothing more. It cannot change.
	// Default: 1
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=5
	// +kubebuilder:validation:XValidation:rule="self % 2 == 1",message="etcd needs an odd number of replicas; use 1, 3 or 5"
	Replicas int32 `json:"replicas,omitempty"`

	// storage of each member in bytes, from 512Mi to 1Ti. It cannot change.
	// Default: 2Gi
	// +optional
	// +kubebuilder:default="2Gi"
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self))",message="not a quantity of bytes; write a number with Mi, Gi or Ti and nothing in between, for example 2Gi"
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('512Mi')) >= 0",message="etcd needs at least 512Mi of storage; use for example 2Gi"
	// +kubebuilder:validation:XValidation:rule="[quantity(string(self))].all(q, q.compareTo(quantity('512Mi')) < 0 || q.compareTo(quantity('1Ti')) <= 0 && q.sub(int(q.asApproximateFloat() + 0.5)).compareTo(quantity('0')) == 0)",message="the storage of an etcd member is in whole bytes and at most 1Ti; use for example 2Gi"
	Storage resource.Quantity `json:"storage,omitzero"`

	// storageClassName is the StorageClass of the management cluster from which
	// the members' volumes come. It cannot change.
	// Default: the management cluster's default class.
	// Example: fast-ssd
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="no StorageClass can have that name; use lower-case letters, digits, '-' and '.', for example fast-ssd, or leave storageClassName out for the default class"
	StorageClassName *string `json:"storageClassName,omitempty"`
}
