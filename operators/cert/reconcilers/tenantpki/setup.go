package tenantpki

import (
	"context"
	"fmt"

	cmv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	corev1 "k8s.io/api/core/v1"
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

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/grants"
	"slipway.dev/kit/namespace"
	"slipway.dev/operators/cert/pki"
)

// concurrentTenants so that one tenant's requests do not hold up another's.
const concurrentTenants = 4

// NewCache keeps Secrets of hosted namespaces alone.
var NewCache = grants.NewCache(v1alpha1.GrantCertOperator, v1alpha1.HostedRole(v1alpha1.GrantCertOperator))

// CacheOptions restrict what the manager watches to what the operator made for
// tenants, and what it remembers of Secrets to their digests.
func CacheOptions() (cache.Options, error) {
	ofTenants, err := labels.NewRequirement(v1alpha1.LabelTenant, selection.Exists, nil)
	if err != nil {
		return cache.Options{}, fmt.Errorf("select tenants' objects: %w", err)
	}
	tenants := labels.NewSelector().Add(*ofTenants)
	ours := labels.SelectorFromSet(labels.Set{pki.LabelManagedBy: pki.ManagedBy}).Add(*ofTenants)
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&cmv1.Issuer{}:       {Label: ours},
			&cmv1.Certificate{}:  {Label: ours},
			&corev1.Secret{}:     {Label: ours, Transform: digestSecret},
			namespace.Metadata(): {Label: tenants},
		},
	}, nil
}

func digestSecret(object any) (any, error) {
	if secret, ok := object.(*corev1.Secret); ok {
		return pki.Digest(secret), nil
	}
	return object, nil // a note that an object is gone
}

// SetupWithManager registers the reconciler. Secrets are found by namespace,
// as cert-manager gives them no owner. Of issuers only their spec counts: whether
// they work shows in the certificates.
func (r *Reconciler) SetupWithManager(manager ctrl.Manager) error {
	r.writer = apply.NewWriter(r.Client, fieldOwner)
	err := ctrl.NewControllerManagedBy(manager).
		For(&v1alpha1.TenantPKI{}).
		Owns(&cmv1.Issuer{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Owns(&cmv1.Certificate{}).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.tenantsBeside)).
		WatchesMetadata(namespace.Metadata(), handler.EnqueueRequestsFromMapFunc(r.tenantsIn),
			builder.WithPredicates(predicate.Or(predicate.LabelChangedPredicate{}, predicate.AnnotationChangedPredicate{}))).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrentTenants}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("set up TenantPKI reconciler: %w", err)
	}
	return nil
}

func (r *Reconciler) tenantsBeside(ctx context.Context, secret client.Object) []reconcile.Request {
	return r.requests(ctx, secret.GetNamespace())
}

func (r *Reconciler) tenantsIn(ctx context.Context, hosted client.Object) []reconcile.Request {
	return r.requests(ctx, hosted.GetName())
}

func (r *Reconciler) requests(ctx context.Context, hosted string) []reconcile.Request {
	tenants := &v1alpha1.TenantPKIList{}
	if err := r.Client.List(ctx, tenants, client.InNamespace(hosted)); err != nil {
		log.FromContext(ctx).Error(err, "Listing TenantPKIs", "Namespace", hosted)
		return nil
	}
	requests := make([]reconcile.Request, len(tenants.Items))
	for i := range tenants.Items {
		requests[i].NamespacedName = client.ObjectKeyFromObject(&tenants.Items[i])
	}
	return requests
}
