// Package tenantdns keeps the DNS records of a TenantDNS and finds out whether
// they are served.
package tenantdns

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/operators/dns/zone"
)

const fieldOwner client.FieldOwner = "slipway-dns-operator"

// Finalizer keeps a TenantDNS until its records are gone.
const Finalizer = "slipway.dev/dns-records"

// Nothing tells when a DNS server begins to answer otherwise, so it is asked:
// often while something is awaited, seldom when all is well.
const (
	waitingInterval = time.Second
	servedInterval  = time.Minute
)

// Server answers questions from its own zones.
type Server interface {
	Lookup(ctx context.Context, name string) ([]netip.Addr, error)
}

// Reconciler works on one TenantDNS at a time.
type Reconciler struct {
	Client client.Client
	Events events.EventRecorder
	Server Server
	// BaseDomain is where the tenants' names begin.
	BaseDomain string
	// RemovalTimeout is how long deletion waits for records to go.
	RemovalTimeout time.Duration
	// Now gives the time.
	Now func() time.Time
}

// Reconcile writes the records and reports whether they are served.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	tenant := &v1alpha1.TenantDNS{}
	if err := r.Client.Get(ctx, request.NamespacedName, tenant); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if tenant.DeletionTimestamp != nil {
		return r.remove(ctx, tenant)
	}
	names, err := zone.NamesOf(tenant.Spec, r.BaseDomain)
	if err != nil {
		return ctrl.Result{}, r.report(ctx, tenant, zone.Names{}, zone.Invalid(err))
	}
	records, err := zone.Records(tenant.Spec, names)
	if err != nil {
		return ctrl.Result{}, r.report(ctx, tenant, names, zone.Invalid(err))
	}
	if err := r.ensureFinalizer(ctx, tenant); err != nil {
		return ctrl.Result{}, err
	}
	if err := apply.Objects(ctx, r.Client, fieldOwner, zone.Endpoint(tenant, records)); err != nil {
		return ctrl.Result{}, err
	}
	if missing := zone.Missing(records, r.ask(ctx, zone.RecordNames(records)...)); missing != "" {
		return ctrl.Result{RequeueAfter: waitingInterval}, r.report(ctx, tenant, names, zone.WaitingForServer(missing))
	}
	if len(tenant.Spec.APITargets) == 0 {
		return ctrl.Result{}, r.report(ctx, tenant, names, zone.WaitingForTargets())
	}
	return ctrl.Result{RequeueAfter: servedInterval}, r.report(ctx, tenant, names, zone.Ready())
}

// ask gives the server's answers by name.
func (r *Reconciler) ask(ctx context.Context, names ...string) map[string]zone.Answer {
	answers := make(map[string]zone.Answer, len(names))
	for _, name := range names {
		addresses, err := r.Server.Lookup(ctx, zone.Question(name))
		answers[name] = zone.Answer{Addresses: addresses, Err: err}
	}
	return answers
}

func (r *Reconciler) report(ctx context.Context, tenant *v1alpha1.TenantDNS, names zone.Names, ready metav1.Condition) error {
	return apply.Status(ctx, r.Client, fieldOwner, zone.Report(tenant, names, ready))
}

// ensureFinalizer comes before the first record. The lock keeps it from
// overwriting a finalizer that another adds at the same time.
func (r *Reconciler) ensureFinalizer(ctx context.Context, tenant *v1alpha1.TenantDNS) error {
	before := client.MergeFromWithOptions(tenant.DeepCopy(), client.MergeFromWithOptimisticLock{})
	if !controllerutil.AddFinalizer(tenant, Finalizer) {
		return nil
	}
	if err := r.Client.Patch(ctx, tenant, before, fieldOwner); err != nil {
		return fmt.Errorf("add finalizer: %w", err)
	}
	return nil
}
