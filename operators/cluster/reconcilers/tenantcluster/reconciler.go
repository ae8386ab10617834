// Package tenantcluster turns a TenantCluster into a hosted control plane and
// the objects by which the other operators learn what it needs.
package tenantcluster

import (
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/conditions"
	"slipway.dev/kit/tenantapi"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/report"
)

// Finalizer keeps a TenantCluster until nothing of it is left.
const Finalizer = "slipway.dev/cluster-operator"

const (
	owner client.FieldOwner = "cluster-operator"
	// handoverOwner holds replicas of pools that the TenantCluster has given up.
	handoverOwner client.FieldOwner = "cluster-operator-handover"
)

// Config is what the operator's flags say.
type Config struct {
	Images controlplane.Images
	// ExposureHost is the address at which NodePorts of the management cluster
	// are reached from outside; empty when they are not.
	ExposureHost string
	// BaseDomain is the domain below which the dns-operator makes names; empty without it.
	BaseDomain string
}

// Reconciler reconciles TenantClusters.
type Reconciler struct {
	// Client reads from the caches that CacheOptions describes.
	Client client.Client
	// Live reads what is not cached: the contents of Secrets, and what must not be stale.
	Live    client.Reader
	Tenants *tenantapi.Clusters
	Config  Config
	Now     func() time.Time

	writer writer
	addons addonState
	wakeUp chan event.GenericEvent
}

// Reconcile brings one TenantCluster nearer to its spec.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	cluster := &v1alpha1.TenantCluster{}
	if err := r.Client.Get(ctx, request.NamespacedName, cluster); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !cluster.DeletionTimestamp.IsZero() {
		return r.delete(ctx, cluster)
	}
	if err := r.setFinalizers(ctx, cluster, Finalizer); err != nil {
		return ctrl.Result{}, err
	}
	namespace, conflict, err := r.ensureNamespace(ctx, cluster)
	if err != nil {
		return ctrl.Result{}, err
	}
	if conflict != "" {
		return ctrl.Result{}, r.reportConflict(ctx, cluster, conflict)
	}
	seen, err := r.observe(ctx, cluster, namespace)
	if err != nil {
		return ctrl.Result{}, err
	}
	wanted, err := r.plan(ctx, seen)
	if err != nil {
		return ctrl.Result{}, err
	}
	applyErr := r.applyAndPrune(ctx, seen, wanted)
	if apierrors.IsInvalid(applyErr) || apierrors.IsForbidden(applyErr) {
		wanted.waiting = applyErr.Error()
	}
	addons, addonsErr := r.reconcileAddons(ctx, seen, wanted)
	if err := r.report(ctx, seen, wanted, addons); err != nil {
		return ctrl.Result{}, err
	}
	if applyErr != nil {
		return ctrl.Result{}, applyErr
	}
	return ctrl.Result{}, addonsErr
}

// setFinalizers applies exactly the given finalizers of this operator.
func (r *Reconciler) setFinalizers(ctx context.Context, cluster *v1alpha1.TenantCluster, finalizers ...string) error {
	if slices.Contains(cluster.Finalizers, Finalizer) == (len(finalizers) > 0) {
		return nil
	}
	object := slipwayac.TenantCluster(cluster.Name, cluster.Namespace).WithUID(cluster.UID).WithFinalizers(finalizers...)
	return apply.Objects(ctx, r.Client, owner, object)
}

func (r *Reconciler) applyAndPrune(ctx context.Context, seen *observation, wanted *plan) error {
	for _, pool := range wanted.handover {
		if err := apply.Objects(ctx, r.Client, handoverOwner, pool); err != nil {
			return err
		}
	}
	for _, object := range wanted.objects {
		if err := r.writer.apply(ctx, r.Client, seen.hosted, object, seen.index); err != nil {
			return err
		}
	}
	if err := apply.Prune(ctx, r.Client, pointers(seen.pools), wanted.names("NodePool")); err != nil {
		return err
	}
	if ports := wanted.names("NetworkPort"); ports.Len() > 0 {
		if err := apply.Prune(ctx, r.Client, seen.apiServerPorts(), ports); err != nil {
			return err
		}
	}
	return apply.Prune(ctx, r.Client, seen.registryCopies(), wanted.names("Secret"))
}

func (r *Reconciler) report(ctx context.Context, seen *observation, wanted *plan, addons report.Addons) error {
	status := report.Status(report.State{
		Cluster: seen.cluster, Network: seen.network, PKI: seen.pki, DNS: seen.dns, Pools: seen.pools,
		Workload: seen.workloads, Addons: addons, Problems: wanted.problems, Waiting: wanted.waiting,
		Endpoint: wanted.endpoint, Kubeconfig: wanted.kubeconfig,
	}, r.Now())
	return r.applyStatus(ctx, seen.cluster, status)
}

func (r *Reconciler) reportConflict(ctx context.Context, cluster *v1alpha1.TenantCluster, message string) error {
	status := slipwayac.TenantClusterStatus().
		WithObservedGeneration(cluster.Generation).
		WithConditions(conditions.Apply(cluster.Status.Conditions, cluster.Generation,
			conditions.False(v1alpha1.ConditionReady, "NamespaceConflict", message))...)
	return r.applyStatus(ctx, cluster, status)
}

// applyStatus writes a status that differs from the one written before.
func (r *Reconciler) applyStatus(ctx context.Context, cluster *v1alpha1.TenantCluster, status *slipwayac.TenantClusterStatusApplyConfiguration) error {
	object := slipwayac.TenantCluster(cluster.Name, cluster.Namespace).WithUID(cluster.UID).WithStatus(status)
	unchanged, remember, err := r.writer.statusUnchanged(cluster, status)
	if err != nil || unchanged {
		return err
	}
	if err := apply.Status(ctx, r.Client, owner, object); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	remember()
	return nil
}

func pointers[T any](values []T) []*T {
	result := make([]*T, len(values))
	for n := range values {
		result[n] = &values[n]
	}
	return result
}
