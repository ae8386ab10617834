package tenantdns

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"
	externaldns "sigs.k8s.io/external-dns/apis/v1alpha1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/dns/zone"
)

// remove lets a TenantDNS go once the server answers for none of its names, or
// when the time for that is over: a server that is down must not keep a tenant
// from being deleted. What was reported is asked for, not what the spec says
// now, so that a changed base domain leaves nothing behind unseen.
func (r *Reconciler) remove(ctx context.Context, tenant *v1alpha1.TenantDNS) (ctrl.Result, error) {
	if !controllerutil.ContainsFinalizer(tenant, Finalizer) {
		return ctrl.Result{}, nil
	}
	endpoint := &externaldns.DNSEndpoint{ObjectMeta: metav1.ObjectMeta{Name: tenant.Name, Namespace: tenant.Namespace}}
	if err := r.Client.Delete(ctx, endpoint); client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, fmt.Errorf("delete DNSEndpoint: %w", err)
	}
	names := zone.Names{API: tenant.Status.APIName, Apps: tenant.Status.AppsName}
	if names == (zone.Names{}) {
		// Records were written, but the report on them was not: the names follow from the spec.
		var err error
		if names, err = zone.NamesOf(tenant.Spec, r.BaseDomain); err != nil {
			return ctrl.Result{}, r.letGo(ctx, tenant)
		}
	}
	remaining := zone.Remaining(r.ask(ctx, names.API, names.Apps))
	if remaining == "" {
		return ctrl.Result{}, r.letGo(ctx, tenant)
	}
	if r.Now().After(tenant.DeletionTimestamp.Add(r.RemovalTimeout)) {
		log.FromContext(ctx).Info("Giving up on DNS records", "remaining", remaining)
		r.Events.Eventf(tenant, nil, corev1.EventTypeWarning, "RecordsRemain", "Delete", "gave up after %s: %s", r.RemovalTimeout, remaining)
		return ctrl.Result{}, r.letGo(ctx, tenant)
	}
	return ctrl.Result{RequeueAfter: waitingInterval}, r.report(ctx, tenant, names, zone.Deleting(remaining))
}

func (r *Reconciler) letGo(ctx context.Context, tenant *v1alpha1.TenantDNS) error {
	before := client.MergeFromWithOptions(tenant.DeepCopy(), client.MergeFromWithOptimisticLock{})
	controllerutil.RemoveFinalizer(tenant, Finalizer)
	if err := r.Client.Patch(ctx, tenant, before, fieldOwner); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("remove finalizer: %w", err)
	}
	return nil
}
