package tenantcluster

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/controller"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/hosted"
)

// concurrentTenants so that one tenant's requests do not hold up another's.
const concurrentTenants = 4

// SetupWithManager registers the reconciler. hosted.Index must have been called.
func (r *Reconciler) SetupWithManager(manager ctrl.Manager) error {
	toTenant := hosted.ToTenant(manager.GetCache())
	b := ctrl.NewControllerManagedBy(manager).For(&v1alpha1.TenantCluster{})
	for _, kind := range hosted.Children() {
		b.Watches(kind, toTenant)
	}
	err := b.Watches(&corev1.Secret{}, hosted.ToTenantsOfSecret(manager.GetCache()), builder.OnlyMetadata).
		Watches(&rbacv1.RoleBinding{}, hosted.ToTenantsOfGrant(manager.GetCache())).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrentTenants}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("set up TenantCluster reconciler: %w", err)
	}
	return nil
}
