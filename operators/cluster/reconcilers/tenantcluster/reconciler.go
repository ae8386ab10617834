// Package tenantcluster turns a TenantCluster into a hosted control plane and
// the objects by which the other operators learn what it needs.
package tenantcluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"k8s.io/utils/lru"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/conditions"
	"slipway.dev/kit/finalizer"
	"slipway.dev/operators/cluster/desired"
	"slipway.dev/operators/cluster/hosted"
	"slipway.dev/operators/cluster/report"
)

// Finalizer keeps a TenantCluster until nothing of it is left.
const Finalizer = "slipway.dev/cluster-operator"

const (
	owner client.FieldOwner = "cluster-operator"
	// handoverOwner holds replicas of pools that the TenantCluster has given up.
	handoverOwner client.FieldOwner = "cluster-operator-handover"
)

// remembered is of how many TenantClusters it is known what events have reported.
const remembered = 1 << 14

// foreignRetry is when it is looked again whether what belongs to somebody else
// is gone: it is not cached, so nothing wakes the TenantCluster.
const foreignRetry = 30 * time.Second

// Reconciler reconciles TenantClusters. It never asks a tenant's API.
type Reconciler struct {
	client   client.Client
	reader   hosted.Reader
	grants   hosted.Grants
	teardown hosted.Teardown
	config   desired.Config
	clock    clock.PassiveClock
	recorder events.EventRecorder

	writer *apply.Writer
	// reported has what events have reported, by the UID of the TenantCluster.
	reported *lru.Cache
}

// New makes a Reconciler that writes through c and reads through reader.
func New(
	c client.Client, reader hosted.Reader, grants hosted.Grants, config desired.Config, clock clock.PassiveClock, recorder events.EventRecorder,
) *Reconciler {
	return &Reconciler{
		client: c, reader: reader, grants: grants, teardown: hosted.NewTeardown(c, reader, grants),
		config: config, clock: clock, recorder: recorder,
		writer: apply.NewWriter(c, owner), reported: lru.New(remembered),
	}
}

// Reconcile brings one TenantCluster nearer to its spec.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	cluster := &v1alpha1.TenantCluster{}
	if err := r.client.Get(ctx, request.NamespacedName, cluster); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !cluster.DeletionTimestamp.IsZero() {
		return r.delete(ctx, cluster)
	}
	if err := finalizer.Ensure(ctx, r.client, cluster, Finalizer); err != nil {
		return ctrl.Result{}, err
	}
	namespace, conflict, err := r.ensureNamespace(ctx, cluster)
	if err != nil {
		return ctrl.Result{}, err
	}
	if conflict != "" {
		return r.reportForeign(ctx, cluster, report.NoNamespace(cluster, conflict, r.clock.Now()))
	}
	granted, err := r.grants.Tenant(ctx, cluster.Namespace, namespace.Name)
	if refused(err) {
		reason := report.NotGranted(cluster, conditions.FirstLine(err.Error()), r.clock.Now())
		if apierrors.IsInvalid(err) {
			return r.reportForeign(ctx, cluster, reason)
		}
		return ctrl.Result{}, errors.Join(r.report(ctx, cluster, reason), err)
	}
	if err != nil || !granted {
		return ctrl.Result{}, err // the RoleBindings wake it
	}
	seen, err := r.reader.Tenant(ctx, cluster, namespace)
	if err != nil {
		return ctrl.Result{}, err
	}
	wanted, err := desired.Tenant(seen, r.config)
	if err != nil {
		return ctrl.Result{}, err
	}
	updated, refusals, err := r.apply(ctx, wanted)
	if err != nil {
		// What is there is of neither this generation nor the one before: there is nothing true to report.
		return ctrl.Result{}, err
	}
	next, resizeErr := r.resize(ctx, seen)
	state := report.State{Seen: seen, Wanted: wanted, Refused: refusals, Updated: updated}
	result := []error{resizeErr, r.report(ctx, cluster, report.Status(state, r.clock.Now()))}
	for _, refusal := range refusals {
		result = append(result, refusal.Err)
	}
	return ctrl.Result{RequeueAfter: next}, errors.Join(result...)
}

// refused reports whether the API server does not take an object as it is.
func refused(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsForbidden(err)
}

// reportForeign writes a status that asks somebody to remove something, and looks again.
func (r *Reconciler) reportForeign(ctx context.Context, cluster *v1alpha1.TenantCluster, next report.Report) (ctrl.Result, error) {
	if err := r.report(ctx, cluster, next); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: foreignRetry}, nil
}

// report writes a status, and sends events about what has changed since the last one.
func (r *Reconciler) report(ctx context.Context, cluster *v1alpha1.TenantCluster, next report.Report) error {
	object := slipwayac.TenantCluster(cluster.Name, cluster.Namespace).WithUID(cluster.UID).WithStatus(next.Status)
	if err := r.writer.ApplyStatus(ctx, object, cluster); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	for _, event := range newEvents(r.reportedBefore(cluster), next) {
		r.recorder.Eventf(cluster, nil, event.kind, event.reason, event.action, "%s", event.note)
	}
	r.reported.Add(cluster.UID, reportedBy(next.Conditions, next.Operation))
	return nil
}

// reportedBefore is remembered, because the cache may be behind what was reported
// last, and no event is sent twice.
func (r *Reconciler) reportedBefore(cluster *v1alpha1.TenantCluster) reported {
	if before, known := r.reported.Get(cluster.UID); known {
		return before.(reported)
	}
	return reportedBy(cluster.Status.Conditions, cluster.Status.Operation)
}
