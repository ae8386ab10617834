// Package observed is what there is of one tenant in the management cluster. It
// is read once, and everything that decides looks at it alone.
package observed

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/children"
	"slipway.dev/operators/cluster/controlplane"
)

// Object is any object of the API.
type Object interface {
	metav1.Object
	runtime.Object
}

// Identity is that of a TenantCluster, which may be gone.
type Identity struct {
	Namespace, Name string
	UID             types.UID
}

// IdentityOf a TenantCluster.
func IdentityOf(cluster *v1alpha1.TenantCluster) Identity {
	return Identity{Namespace: cluster.Namespace, Name: cluster.Name, UID: cluster.UID}
}

// HostedNamespace is the name of the tenant's hosted namespace.
func (i Identity) HostedNamespace() string {
	return v1alpha1.HostedNamespace(i.Namespace, i.Name)
}

// Owns reports whether a namespace was made for this very TenantCluster.
func (i Identity) Owns(namespace *corev1.Namespace) bool {
	return v1alpha1.IsHostedNamespace(namespace) && namespace.Name == i.HostedNamespace() &&
		namespace.Annotations[v1alpha1.AnnotationTenantUID] == string(i.UID)
}

// Tenant is everything that there is of one tenant. What is absent is nil.
type Tenant struct {
	Identity
	// Cluster is nil where only the deletion is concerned.
	Cluster   *v1alpha1.TenantCluster
	Namespace *corev1.Namespace

	Network *v1alpha1.TenantNetwork
	PKI     *v1alpha1.TenantPKI
	DNS     *v1alpha1.TenantDNS
	Pools   []*v1alpha1.NodePool
	Ports   []*v1alpha1.NetworkPort

	Services     []*corev1.Service
	StatefulSets []*appsv1.StatefulSet
	Deployments  []*appsv1.Deployment
	Pods         []*corev1.Pod
	Claims       []*corev1.PersistentVolumeClaim
	Quotas       []*corev1.ResourceQuota
	// Secrets of the hosted namespace, without their contents.
	Secrets []*metav1.PartialObjectMetadata
	// FailedCreates are events of StatefulSets that could not make a pod.
	FailedCreates []*corev1.Event

	// UserKubeconfig is the Secret beside the TenantCluster, without its contents.
	UserKubeconfig *metav1.PartialObjectMetadata
	// RegistrySources are the Secrets beside the TenantCluster that its registries name.
	RegistrySources map[string]children.RegistrySource
	// KeyPairs are those that have been issued and that kubeconfigs are made from.
	KeyPairs map[string]*corev1.Secret
}

// Named returns the object of that name, or nil.
func Named[T any, P interface {
	*T
	Object
}](objects []P, name string) P {
	for _, object := range objects {
		if object.GetName() == name {
			return object
		}
	}
	return nil
}

// ClusterIP of a Service; empty while it has none.
func (t *Tenant) ClusterIP(service string) string {
	if object := Named(t.Services, service); object != nil {
		return object.Spec.ClusterIP
	}
	return ""
}

// APIServerPorts are the NICs of API servers; workers have theirs.
func (t *Tenant) APIServerPorts() []*v1alpha1.NetworkPort {
	var result []*v1alpha1.NetworkPort
	for _, port := range t.Ports {
		if port.Labels[controlplane.LabelComponent] == controlplane.APIServer {
			result = append(result, port)
		}
	}
	return result
}

// RegistryCopies are the copies of registries' Secrets.
func (t *Tenant) RegistryCopies() []*metav1.PartialObjectMetadata {
	var result []*metav1.PartialObjectMetadata
	for _, secret := range t.Secrets {
		if secret.Labels[children.LabelRegistry] != "" {
			result = append(result, secret)
		}
	}
	return result
}
