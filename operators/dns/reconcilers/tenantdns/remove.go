package tenantdns

import (
	"context"
	"fmt"

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
	var names []string
	if !plan.NotHosted { // whose names are another's
		names = zone.Published(tenant, v.BaseDomain)
	}
	answers := v.ask(ctx, names...)
	remaining := zone.Remaining(names, answers)
	if endpoint != nil {
		remaining = fmt.Sprintf("DNSEndpoint %s is not deleted yet", endpoint.Name)
	}
	if remaining == "" {
		return ctrl.Result{}, finalizer.Remove(ctx, v.Client, tenant, Finalizer)
	}
	if v.Clock.Now().After(tenant.DeletionTimestamp.Add(v.RemovalTimeout)) {
		log.FromContext(ctx).Info("Giving up on DNS records", "remaining", remaining)
		v.Events.recordsRemain(tenant, v.RemovalTimeout, remaining)
		return ctrl.Result{}, finalizer.Remove(ctx, v.Client, tenant, Finalizer)
	}
	return ctrl.Result{RequeueAfter: interval(answers)}, v.report(ctx, tenant, zone.Reported(tenant), zone.Deleting(remaining))
}
