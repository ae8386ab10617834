package tenantdns

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	externaldns "sigs.k8s.io/external-dns/apis/v1alpha1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/namespace"
)

// Publishing takes a few requests to the API. A question to the server may take
// until its deadline, so more are asked at once; that many times two names is
// also the most that the server is asked at a time.
const (
	concurrentPublications  = 4
	concurrentVerifications = 16
)

// CacheOptions restrict what the manager watches to the tenants' objects.
func CacheOptions() (cache.Options, error) {
	ofTenants, err := labels.NewRequirement(v1alpha1.LabelTenant, selection.Exists, nil)
	if err != nil {
		return cache.Options{}, fmt.Errorf("select tenants' objects: %w", err)
	}
	tenants := cache.ByObject{Label: labels.NewSelector().Add(*ofTenants)}
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&externaldns.DNSEndpoint{}: tenants,
			namespace.Metadata():       tenants,
		},
	}, nil
}

// SetupWithManager registers the controller.
func (p *Publisher) SetupWithManager(manager ctrl.Manager) error {
	p.records = apply.NewWriter(p.Client, fieldOwner)
	return setUp(manager, "tenantdns-publisher", concurrentPublications, p)
}

// SetupWithManager registers the controller. It is woken by what external-dns
// writes into a DNSEndpoint's status too: records follow soon after.
func (v *Verifier) SetupWithManager(manager ctrl.Manager) error {
	v.status = apply.NewWriter(v.Client, fieldOwner)
	return setUp(manager, "tenantdns-verifier", concurrentVerifications, v)
}

func setUp(manager ctrl.Manager, name string, concurrent int, reconciler reconcile.Reconciler) error {
	err := ctrl.NewControllerManagedBy(manager).
		Named(name).
		For(&v1alpha1.TenantDNS{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Owns(&externaldns.DNSEndpoint{}, builder.OnlyMetadata).
		WatchesMetadata(namespace.Metadata(), handler.EnqueueRequestsFromMapFunc(tenantsIn(manager.GetClient())),
			builder.WithPredicates(predicate.Or(predicate.LabelChangedPredicate{}, predicate.AnnotationChangedPredicate{}))).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrent}).
		Complete(reconciler)
	if err != nil {
		return fmt.Errorf("set up %s: %w", name, err)
	}
	return nil
}

// tenantsIn finds what counts or not with a namespace's labels and annotations.
func tenantsIn(reader client.Reader) handler.MapFunc {
	return func(ctx context.Context, hosted client.Object) []reconcile.Request {
		tenants := &v1alpha1.TenantDNSList{}
		if err := reader.List(ctx, tenants, client.InNamespace(hosted.GetName())); err != nil {
			log.FromContext(ctx).Error(err, "Listing TenantDNSes", "Namespace", hosted.GetName())
			return nil
		}
		requests := make([]reconcile.Request, len(tenants.Items))
		for n := range tenants.Items {
			requests[n].NamespacedName = client.ObjectKeyFromObject(&tenants.Items[n])
		}
		return requests
	}
}
