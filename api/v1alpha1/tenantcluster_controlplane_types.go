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
	// replicas of the API server, the controller manager and the scheduler.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=5
	Replicas int32 `json:"replicas,omitempty"`

	// etcd sizes the tenant's own etcd.
	// The default is spelled out because rules are checked against it before the defaults of its fields.
	//
	// +optional
	// +kubebuilder:default={replicas: 1, storage: "2Gi"}
	Etcd Etcd `json:"etcd,omitempty"`

	// resources of one API server. The smaller components take a share of their own.
	// +optional
	Resources corev1.ResourceRequirements `json:"resources,omitempty"`
}

// Etcd sizes the store of one tenant.
//
// +kubebuilder:validation:XValidation:rule="self.replicas == oldSelf.replicas",message="controlPlane.etcd.replicas cannot change; create another TenantCluster"
// +kubebuilder:validation:XValidation:rule="!has(self.storageClassName) ? !has(oldSelf.storageClassName) : has(oldSelf.storageClassName) && self.storageClassName == oldSelf.storageClassName",message="controlPlane.etcd.storageClassName cannot change; create another TenantCluster"
// +kubebuilder:validation:XValidation:rule="quantity(string(self.storage)).compareTo(quantity(string(oldSelf.storage))) == 0",message="controlPlane.etcd.storage cannot change; create another TenantCluster"
type Etcd struct {
	// replicas of etcd; an odd number, because an even one adds cost and no safety.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=5
	// +kubebuilder:validation:XValidation:rule="self % 2 == 1",message="etcd needs an odd number of replicas; use 1, 3 or 5"
	Replicas int32 `json:"replicas,omitempty"`

	// storage of one member.
	// +optional
	// +kubebuilder:default="2Gi"
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('512Mi')) >= 0",message="etcd needs at least 512Mi of storage"
	Storage resource.Quantity `json:"storage,omitzero"`

	// storageClassName of the claims; the management cluster's default class when left out.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	StorageClassName *string `json:"storageClassName,omitempty"`
}
