package tenantpki

import (
	"context"
	"fmt"

	cmv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cert/pki"
)

// concurrentTenants so that one tenant's requests do not hold up another's.
const concurrentTenants = 4

// CacheOptions restrict what the manager watches to what the operator made,
// and what it remembers of Secrets to their digests.
func CacheOptions() cache.Options {
	ours := labels.SelectorFromSet(labels.Set{pki.LabelManagedBy: pki.ManagedBy})
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&cmv1.Issuer{}:      {Label: ours},
			&cmv1.Certificate{}: {Label: ours},
			&corev1.Secret{}:    {Label: ours, Transform: digestSecret},
		},
	}
}

func digestSecret(object any) (any, error) {
	if secret, ok := object.(*corev1.Secret); ok {
		return pki.Digest(secret), nil
	}
	return object, nil // a note that an object is gone
}

// SetupWithManager registers the reconciler. Secrets are found by namespace,
// as cert-manager gives them no owner.
func (r *Reconciler) SetupWithManager(manager ctrl.Manager) error {
	err := ctrl.NewControllerManagedBy(manager).
		For(&v1alpha1.TenantPKI{}).
		Owns(&cmv1.Issuer{}).
		Owns(&cmv1.Certificate{}).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.tenantsOf)).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrentTenants}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("set up TenantPKI reconciler: %w", err)
	}
	return nil
}

func (r *Reconciler) tenantsOf(ctx context.Context, secret client.Object) []reconcile.Request {
	tenants := &v1alpha1.TenantPKIList{}
	if err := r.Client.List(ctx, tenants, client.InNamespace(secret.GetNamespace())); err != nil {
		log.FromContext(ctx).Error(err, "Listing TenantPKIs", "namespace", secret.GetNamespace())
		return nil
	}
	requests := make([]reconcile.Request, len(tenants.Items))
	for i := range tenants.Items {
		requests[i].NamespacedName = client.ObjectKeyFromObject(&tenants.Items[i])
	}
	return requests
}
