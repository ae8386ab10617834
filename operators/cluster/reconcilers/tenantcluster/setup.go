package tenantcluster

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/tenantapi"
	"slipway.dev/operators/cluster/children"
	"slipway.dev/operators/cluster/controlplane"
)

// concurrentTenants so that one tenant's requests do not hold up another's.
const concurrentTenants = 4

// hostedNamespaceField indexes TenantClusters by their hosted namespace.
const hostedNamespaceField = "hostedNamespace"

// CacheOptions restrict what the manager watches to what belongs to tenants,
// and of pods to those of control planes.
func CacheOptions() (cache.Options, error) {
	tenant, err := labels.NewRequirement(v1alpha1.LabelTenant, selection.Exists, nil)
	if err != nil {
		return cache.Options{}, fmt.Errorf("select tenants' objects: %w", err)
	}
	component, err := labels.NewRequirement(controlplane.LabelComponent, selection.Exists, nil)
	if err != nil {
		return cache.Options{}, fmt.Errorf("select control planes' objects: %w", err)
	}
	tenants := cache.ByObject{Label: labels.NewSelector().Add(*tenant)}
	controlPlanes := cache.ByObject{Label: labels.NewSelector().Add(*tenant, *component)}
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Namespace{}:             tenants,
			&corev1.Service{}:               controlPlanes,
			&corev1.Pod{}:                   controlPlanes,
			&corev1.PersistentVolumeClaim{}: controlPlanes,
			&appsv1.StatefulSet{}:           controlPlanes,
			&appsv1.Deployment{}:            controlPlanes,
		},
	}, nil
}

func fieldName(name string) fields.Selector {
	return fields.OneTermEqualSelector("metadata.name", name)
}

// SetupWithManager registers the reconciler, and the connections to tenants.
// Objects in other namespaces cannot have an owner reference: they are found by
// the namespace they are in.
func (r *Reconciler) SetupWithManager(ctx context.Context, manager ctrl.Manager) error {
	err := manager.GetFieldIndexer().IndexField(ctx, &v1alpha1.TenantCluster{}, hostedNamespaceField, func(object client.Object) []string {
		return []string{v1alpha1.HostedNamespace(object.GetNamespace(), object.GetName())}
	})
	if err != nil {
		return fmt.Errorf("index TenantClusters: %w", err)
	}
	r.wakeUp = make(chan event.GenericEvent, 64)
	r.Tenants = &tenantapi.Clusters{
		Scheme:    manager.GetScheme(),
		Cache:     TenantCache(),
		OnConnect: r.onConnect,
		OnReady:   func(key client.ObjectKey) { r.wake(ctx, key) },
	}
	if err := manager.Add(r.Tenants); err != nil {
		return fmt.Errorf("add connections to tenants: %w", err)
	}
	toTenant := handler.EnqueueRequestsFromMapFunc(r.tenantOf)
	err = ctrl.NewControllerManagedBy(manager).
		For(&v1alpha1.TenantCluster{}).
		Watches(&v1alpha1.TenantNetwork{}, toTenant).
		Watches(&v1alpha1.TenantPKI{}, toTenant).
		Watches(&v1alpha1.TenantDNS{}, toTenant).
		Watches(&v1alpha1.NodePool{}, toTenant).
		Watches(&v1alpha1.NetworkPort{}, toTenant).
		Watches(&v1alpha1.VirtualNetworkID{}, toTenant).
		Watches(&corev1.Namespace{}, toTenant).
		Watches(&corev1.Service{}, toTenant).
		Watches(&corev1.Pod{}, toTenant).
		Watches(&corev1.PersistentVolumeClaim{}, toTenant).
		Watches(&appsv1.StatefulSet{}, toTenant).
		Watches(&appsv1.Deployment{}, toTenant).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.tenantsOfSecret), builder.OnlyMetadata).
		WatchesRawSource(source.Channel(r.wakeUp, toTenant)).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrentTenants}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("set up TenantCluster reconciler: %w", err)
	}
	return nil
}

// tenantOf finds the TenantCluster in whose hosted namespace an object is.
func (r *Reconciler) tenantOf(ctx context.Context, object client.Object) []reconcile.Request {
	hosted := object.GetNamespace()
	switch object := object.(type) {
	case *corev1.Namespace:
		hosted = object.Name
	case *v1alpha1.VirtualNetworkID:
		hosted = object.Spec.NetworkRef.Namespace
	}
	return r.requests(ctx, client.MatchingFields{hostedNamespaceField: hosted})
}

// tenantsOfSecret finds, besides, the TenantClusters that refer to a Secret
// beside them, or own it.
func (r *Reconciler) tenantsOfSecret(ctx context.Context, object client.Object) []reconcile.Request {
	if requests := r.tenantOf(ctx, object); len(requests) > 0 {
		return requests
	}
	clusters := &v1alpha1.TenantClusterList{}
	if err := r.Client.List(ctx, clusters, client.InNamespace(object.GetNamespace())); err != nil {
		log.FromContext(ctx).Error(err, "Listing TenantClusters", "namespace", object.GetNamespace())
		return nil
	}
	var requests []reconcile.Request
	for n := range clusters.Items {
		cluster := &clusters.Items[n]
		names := append(children.RegistrySecretNames(cluster.Spec), kubeconfigName(cluster))
		for _, name := range names {
			if name == object.GetName() {
				requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(cluster)})
				break
			}
		}
	}
	return requests
}

func (r *Reconciler) requests(ctx context.Context, options ...client.ListOption) []reconcile.Request {
	clusters := &v1alpha1.TenantClusterList{}
	if err := r.Client.List(ctx, clusters, options...); err != nil {
		log.FromContext(ctx).Error(err, "Listing TenantClusters")
		return nil
	}
	requests := make([]reconcile.Request, len(clusters.Items))
	for n := range clusters.Items {
		requests[n].NamespacedName = client.ObjectKeyFromObject(&clusters.Items[n])
	}
	return requests
}
