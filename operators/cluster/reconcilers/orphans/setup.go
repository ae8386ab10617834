package orphans

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/hosted"
)

// SetupWithManager registers the reconciler. hosted.Index must have been called.
func (r *Reconciler) SetupWithManager(manager ctrl.Manager) error {
	b := ctrl.NewControllerManagedBy(manager).
		Named("orphans").
		For(&corev1.Namespace{}).
		Watches(&v1alpha1.TenantCluster{}, handler.EnqueueRequestsFromMapFunc(toHostedNamespace))
	orphaned := r.toOrphan()
	for _, kind := range hosted.Children() {
		if _, isNamespace := kind.(*corev1.Namespace); !isNamespace {
			b.Watches(kind, orphaned)
		}
	}
	err := b.Complete(r)
	if err != nil {
		return fmt.Errorf("set up reconciler of orphans: %w", err)
	}
	return nil
}

func toHostedNamespace(_ context.Context, cluster client.Object) []reconcile.Request {
	return request(v1alpha1.HostedNamespace(cluster.GetNamespace(), cluster.GetName()))
}

// toOrphan lets objects pass whose tenant is not known to be there: of the others
// there are many.
func (r *Reconciler) toOrphan() handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, object client.Object) []reconcile.Request {
		namespace := &corev1.Namespace{}
		if err := r.client.Get(ctx, client.ObjectKey{Name: hosted.NamespaceOf(object)}, namespace); err != nil || r.known(ctx, identity(namespace)) {
			return nil
		}
		return request(namespace.Name)
	})
}

func request(namespace string) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: client.ObjectKey{Name: namespace}}}
}
