package tenantdns

import (
	"context"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/namespace"
	"slipway.dev/operators/dns/zone"
)

// Nothing tells when a DNS server begins to answer otherwise, so it is asked:
// often while something is awaited, seldom when all is well or when there is no
// answer at all.
const (
	waitingInterval  = time.Second
	noAnswerInterval = 5 * time.Second
	servedInterval   = time.Minute
)

// lookupTimeout bounds one question with its repetition over TCP.
const lookupTimeout = 5 * time.Second

// Server answers questions from its own zones.
type Server interface {
	Lookup(ctx context.Context, name string) (zone.Target, error)
}

// Verifier asks the authoritative server for the names of a TenantDNS, reports,
// and lets it go when its records are gone.
type Verifier struct {
	Client client.Client
	// Live reads without a cache.
	Live   client.Reader
	Events Events
	Server Server
	// BaseDomain is where the tenants' names begin.
	BaseDomain string
	// RemovalTimeout is how long deletion waits for records to go.
	RemovalTimeout time.Duration
	Clock          clock.PassiveClock

	status *apply.Writer
	told   told
}

// Reconcile reports whether the records of one TenantDNS are served.
func (v *Verifier) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	tenant := &v1alpha1.TenantDNS{}
	if err := v.Client.Get(ctx, request.NamespacedName, tenant); err != nil {
		v.told.forget(request.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	hosted, err := namespace.Get(ctx, v.Client, tenant.Namespace)
	if err != nil {
		return ctrl.Result{}, err
	}
	plan := zone.PlanOf(tenant, hosted, v.BaseDomain)
	if tenant.DeletionTimestamp != nil {
		return v.remove(ctx, tenant, plan)
	}
	answers := v.ask(ctx, plan.Questions()...)
	names, ready, done := plan.Judge(answers)
	if err := v.report(ctx, tenant, names, ready); err != nil {
		return ctrl.Result{}, err
	}
	switch {
	case !done:
		return ctrl.Result{RequeueAfter: interval(answers)}, nil
	case len(plan.Records) > 0:
		return ctrl.Result{RequeueAfter: servedInterval}, nil
	}
	return ctrl.Result{}, nil
}

// ask returns the server's answers by name. The names are asked for at once, so
// that there are as many questions in flight as names times concurrent tenants.
func (v *Verifier) ask(ctx context.Context, names ...string) map[string]zone.Answer {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	answers := make([]zone.Answer, len(names))
	var asking sync.WaitGroup
	for n, name := range names {
		asking.Go(func() {
			target, err := v.Server.Lookup(ctx, zone.Question(name))
			answers[n] = zone.Answer{Target: target, Err: err}
		})
	}
	asking.Wait()
	byName := make(map[string]zone.Answer, len(names))
	for n, name := range names {
		byName[name] = answers[n]
	}
	return byName
}

// interval until the next question, when the answers are not as awaited.
func interval(answers map[string]zone.Answer) time.Duration {
	for _, answer := range answers {
		if answer.Err != nil {
			return noAnswerInterval
		}
	}
	return waitingInterval
}

// report writes the status, and tells of what has changed in it.
func (v *Verifier) report(ctx context.Context, tenant *v1alpha1.TenantDNS, names zone.Names, ready metav1.Condition) error {
	if err := v.status.ApplyStatus(ctx, zone.Report(tenant, names, ready), tenant); err != nil {
		return err
	}
	key, now := client.ObjectKeyFromObject(tenant), verdict{tenant.UID, names, ready.Reason == zone.ReasonServed}
	before, known := v.told.replace(key, now)
	if !known || before.uid != tenant.UID {
		before = verdict{tenant.UID, zone.Reported(tenant), zone.IsServed(tenant)}
	}
	if now.served && !before.served {
		v.Events.namesServed(tenant, names.List())
	}
	gone := slices.DeleteFunc(before.names.List(), func(name string) bool { return slices.Contains(names.List(), name) })
	if len(gone) > 0 && ready.Reason != zone.ReasonNotHosted {
		v.Events.namesWithdrawn(tenant, gone)
	}
	return nil
}
