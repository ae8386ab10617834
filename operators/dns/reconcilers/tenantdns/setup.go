package tenantdns

import (
	"fmt"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	externaldns "sigs.k8s.io/external-dns/apis/v1alpha1"

	"slipway.dev/api/v1alpha1"
)

// concurrentTenants so that one question that times out does not hold up other tenants.
const concurrentTenants = 4

// CacheOptions restrict what the manager watches to the tenants' objects.
func CacheOptions() (cache.Options, error) {
	ofTenants, err := labels.NewRequirement(v1alpha1.LabelTenant, selection.Exists, nil)
	if err != nil {
		return cache.Options{}, fmt.Errorf("select tenants' objects: %w", err)
	}
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&externaldns.DNSEndpoint{}: {Label: labels.NewSelector().Add(*ofTenants)},
		},
	}, nil
}

// SetupWithManager registers the reconciler. It is woken by what external-dns
// writes into a DNSEndpoint's status too: records follow soon after.
func (r *Reconciler) SetupWithManager(manager ctrl.Manager) error {
	err := ctrl.NewControllerManagedBy(manager).
		For(&v1alpha1.TenantDNS{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Owns(&externaldns.DNSEndpoint{}, builder.OnlyMetadata).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrentTenants}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("set up TenantDNS reconciler: %w", err)
	}
	return nil
}
