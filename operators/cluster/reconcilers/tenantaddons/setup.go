package tenantaddons

import (
	"context"
	"fmt"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/tenantapi"
	"slipway.dev/operators/cluster/addons"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/hosted"
)

// concurrentTenants is more than the TenantClusters' own, because each may take
// as long as a call to a tenant is allowed to.
const concurrentTenants = 8

// connect makes the connections to tenants, which wake the reconciler until ctx
// ends. They are idle before they are started.
func (r *Reconciler) connect(ctx context.Context, scheme *runtime.Scheme) (*tenantapi.Clusters, error) {
	mapper, err := tenantapi.NewMapper(scheme,
		[]client.Object{
			&appsv1.Deployment{}, &corev1.ServiceAccount{}, &corev1.ConfigMap{}, &corev1.Service{}, &rbacv1.Role{}, &rbacv1.RoleBinding{},
		},
		[]client.Object{
			&rbacv1.ClusterRole{}, &rbacv1.ClusterRoleBinding{},
			&admissionv1.ValidatingWebhookConfiguration{}, &admissionv1.MutatingWebhookConfiguration{},
		})
	if err != nil {
		return nil, err
	}
	r.tenants = &tenantapi.Clusters{
		Scheme:    scheme,
		Mapper:    mapper,
		Cache:     cacheOptions(),
		OnConnect: r.onConnect,
		OnChange:  func(key client.ObjectKey) { r.wake(ctx, key) },
	}
	return r.tenants, nil
}

// cacheOptions restrict what is cached of a tenant: cluster DNS alone.
func cacheOptions() cache.Options {
	return cache.Options{
		ByObject: map[client.Object]cache.ByObject{
			&appsv1.Deployment{}: {
				Namespaces: map[string]cache.Config{addons.CoreDNSNamespace: {}},
				Field:      fields.OneTermEqualSelector("metadata.name", addons.CoreDNS),
				Transform:  trimDeployment,
			},
		},
	}
}

// trimDeployment keeps what report.ClusterDNS reads. A tenant's admin may fill the
// rest as long as the API server allows, and every reconcile copies it.
func trimDeployment(o any) (any, error) {
	deployment, ok := o.(*appsv1.Deployment)
	if !ok {
		return o, nil
	}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: deployment.Namespace, Name: deployment.Name, UID: deployment.UID,
			ResourceVersion: deployment.ResourceVersion, Generation: deployment.Generation,
		},
		Spec: appsv1.DeploymentSpec{Replicas: deployment.Spec.Replicas},
		Status: appsv1.DeploymentStatus{
			ObservedGeneration: deployment.Status.ObservedGeneration,
			UpdatedReplicas:    deployment.Status.UpdatedReplicas,
			AvailableReplicas:  deployment.Status.AvailableReplicas,
		},
	}, nil
}

// SetupWithManager registers the reconciler and its connections. hosted.Index
// must have been called.
func (r *Reconciler) SetupWithManager(ctx context.Context, manager ctrl.Manager) error {
	tenants, err := r.connect(ctx, manager.GetScheme())
	if err != nil {
		return err
	}
	if err := manager.Add(tenants); err != nil {
		return fmt.Errorf("add connections to tenants: %w", err)
	}
	toTenant := hosted.ToTenant(manager.GetCache())
	err = ctrl.NewControllerManagedBy(manager).
		Named("tenantaddons").
		For(&v1alpha1.TenantCluster{}).
		Watches(&v1alpha1.NodePool{}, toTenant).
		Watches(&corev1.Namespace{}, toTenant).
		Watches(&appsv1.StatefulSet{}, toTenant, builder.WithPredicates(named(controlplane.APIServer))).
		Watches(&corev1.Secret{}, toTenant, builder.OnlyMetadata, builder.WithPredicates(named(v1alpha1.SecretClusterOperatorKubeconfig))).
		WatchesRawSource(source.Channel(r.wakeUp, toTenant)).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrentTenants}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("set up reconciler of add-ons: %w", err)
	}
	return nil
}

func named(name string) predicate.Predicate {
	return predicate.NewPredicateFuncs(func(object client.Object) bool { return object.GetName() == name })
}

// onConnect watches cluster DNS in a tenant whose API answers.
func (r *Reconciler) onConnect(ctx context.Context, key client.ObjectKey, tenant cluster.Cluster) error {
	informer, err := tenant.GetCache().GetInformer(ctx, &appsv1.Deployment{})
	if err != nil {
		return fmt.Errorf("watch Deployments: %w", err)
	}
	wake := func() { r.wake(ctx, key) }
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { wake() },
		UpdateFunc: func(any, any) { wake() },
		DeleteFunc: func(any) { wake() },
	})
	if err != nil {
		return fmt.Errorf("watch Deployments: %w", err)
	}
	return nil
}

// wake reconciles the tenant that a key's namespace belongs to.
func (r *Reconciler) wake(ctx context.Context, key client.ObjectKey) {
	object := &corev1.Secret{}
	object.Namespace, object.Name = key.Namespace, key.Name
	select {
	case r.wakeUp <- event.GenericEvent{Object: object}:
	case <-ctx.Done():
	}
}
