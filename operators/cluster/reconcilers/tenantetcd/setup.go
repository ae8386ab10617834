package tenantetcd

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/etcdapi"
	"slipway.dev/operators/cluster/hosted"
)

// concurrentTenants are looked at, or waited for, at once: those whose members
// take their time must not keep the others'.
const concurrentTenants = 16

// SetupWithManager registers the reconciler. hosted.Index must have been called.
func (r *Reconciler) SetupWithManager(manager ctrl.Manager) error {
	etcd := predicate.NewPredicateFuncs(func(object client.Object) bool { return object.GetName() == controlplane.Etcd })
	err := ctrl.NewControllerManagedBy(manager).
		Named("tenantetcd").
		// What others report is no reason to ask members.
		For(&v1alpha1.TenantCluster{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&appsv1.StatefulSet{}, hosted.ToTenant(manager.GetCache()), builder.WithPredicates(etcd)).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrentTenants, ReconciliationTimeout: etcdapi.Timeout}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("set up reconciler of etcd's space: %w", err)
	}
	return nil
}
