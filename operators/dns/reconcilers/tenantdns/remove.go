package tenantdns

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/finalizer"
	"slipway.dev/operators/dns/zone"
)

// remove lets a TenantDNS go once the server answers for none of its names, or
// when the time for that is over: a server that is down must not keep a tenant
// from being deleted.
func (v *Verifier) remove(ctx context.Context, tenant *v1alpha1.TenantDNS, plan zone.Plan) (ctrl.Result, error) {
	if !controllerutil.ContainsFinalizer(tenant, Finalizer) {
		return ctrl.Result{}, nil
	}
	// The cache may not know yet of what the publisher has just made.
	endpoint, err := endpointOf(ctx, v.Live, tenant)
	if err != nil {
		return ctrl.Result{}, err
	}
	names := v.publishedNames(tenant, plan)
	answers := v.ask(ctx, names.List()...)
	remaining := zone.Remaining(answers)
	if endpoint != nil {
		remaining = fmt.Sprintf("DNSEndpoint %s is not deleted yet", endpoint.Name)
	}
	if remaining == "" {
		return ctrl.Result{}, finalizer.Remove(ctx, v.Client, tenant, Finalizer)
	}
	if v.Clock.Now().After(tenant.DeletionTimestamp.Add(v.RemovalTimeout)) {
		log.FromContext(ctx).Info("Giving up on DNS records", "remaining", remaining)
		v.Events.Eventf(tenant, nil, corev1.EventTypeWarning, "RecordsRemain", "Delete", "gave up after %s: %s", v.RemovalTimeout, remaining)
		return ctrl.Result{}, finalizer.Remove(ctx, v.Client, tenant, Finalizer)
	}
	return ctrl.Result{RequeueAfter: interval(answers)}, v.report(ctx, tenant, names, zone.Deleting(remaining))
}

// publishedNames are those that were reported, not those that follow from the
// spec now, so that a changed base domain leaves nothing behind unseen. They
// follow from the spec where records were published and the report on them was
// not written. The names of a TenantDNS that does not count are another's.
func (v *Verifier) publishedNames(tenant *v1alpha1.TenantDNS, plan zone.Plan) zone.Names {
	if plan.NotHosted {
		return zone.Names{}
	}
	if names := (zone.Names{API: tenant.Status.APIName, Apps: tenant.Status.AppsName}); names != (zone.Names{}) {
		return names
	}
	names, err := zone.NamesOf(tenant.Spec, v.BaseDomain)
	if err != nil {
		return zone.Names{} // nothing was ever published
	}
	return names
}
