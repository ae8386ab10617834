// Package tenantetcd keeps tenants' etcd from staying full, and alone says whether
// it takes writes. Its workers are its own, because members may be slow.
package tenantetcd

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/conditions"
	"slipway.dev/operators/cluster/controlplane/etcd/maintenance"
	"slipway.dev/operators/cluster/etcdapi"
	"slipway.dev/operators/cluster/report"
)

// owner of EtcdReady.
const owner client.FieldOwner = "cluster-operator-etcd"

const (
	// period is how often etcd is looked at. It has no watch for its size or its
	// alarms.
	period = time.Minute
	// soon is when it is looked at again after something was done, which may be
	// one step of several.
	soon = 5 * time.Second
)

// Reconciler reconciles the space in the etcd of TenantClusters.
type Reconciler struct {
	client client.Client
	// live reads the identity with which members are asked.
	live     client.Reader
	dial     etcdapi.Dial
	clock    clock.PassiveClock
	recorder events.EventRecorder

	writer *apply.Writer
	known  history
}

// New makes a Reconciler that reaches members with dial.
func New(c client.Client, live client.Reader, dial etcdapi.Dial, clock clock.PassiveClock, recorder events.EventRecorder) *Reconciler {
	return &Reconciler{
		client: c, live: live, dial: dial, clock: clock, recorder: recorder, writer: apply.NewWriter(c, owner),
	}
}

// Reconcile looks at the etcd of one tenant, reports, and takes the next step of
// its maintenance.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	hosted := v1alpha1.HostedNamespace(request.Namespace, request.Name)
	cluster := &v1alpha1.TenantCluster{}
	err := r.client.Get(ctx, request.NamespacedName, cluster)
	if apierrors.IsNotFound(err) {
		r.known.forget(hosted)
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	if !cluster.DeletionTimestamp.IsZero() {
		gone := conditions.False(v1alpha1.ConditionEtcdReady, report.ReasonDeleting, "the tenant is being removed")
		return ctrl.Result{}, r.report(ctx, cluster, gone)
	}
	seats, err := r.seats(ctx, cluster, hosted)
	if err != nil {
		return ctrl.Result{}, err
	}
	if len(seats) == 0 {
		return ctrl.Result{}, r.report(ctx, cluster, report.EtcdPending())
	}
	before := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionEtcdReady)
	members, unusable, err := r.connect(ctx, hosted)
	if err != nil {
		return ctrl.Result{}, err
	}
	if unusable != "" {
		return ctrl.Result{RequeueAfter: period}, r.report(ctx, cluster, report.EtcdSilent(before, unusable))
	}
	seen := ask(ctx, members, seats)
	for n := range seen {
		last := r.known.last(hosted, seen[n].Name)
		seen[n].Defragmented, seen[n].Freed = last.begun, last.freed
	}
	if err := r.report(ctx, cluster, report.Etcd(seen, cluster.Spec.ControlPlane.Etcd.Storage, before)); err != nil {
		return ctrl.Result{}, err
	}
	now := r.clock.Now()
	return ctrl.Result{RequeueAfter: r.maintain(ctx, members, hosted, seats, maintenance.Decide(seen, now), now)}, nil
}

// maintain does what was decided, and says when to look again. What fails is
// tried again then: a member that is slow is not to be asked at once.
func (r *Reconciler) maintain(
	ctx context.Context, members *etcdapi.Client, hosted string, seats []seat, action maintenance.Action, now time.Time,
) time.Duration {
	var address string
	for _, s := range seats {
		if s.name == action.Member {
			address = s.address
		}
	}
	var err error
	switch action.Kind {
	case maintenance.Defragment:
		last := r.known.last(hosted, action.Member)
		last.begun = now
		r.known.keep(hosted, action.Member, last)
		if action.Revision > 0 {
			err = members.Compact(ctx, address, action.Revision)
		}
		if err == nil {
			err = members.Defragment(ctx, address)
		}
		// A member that was told to goes on after nobody waits for it any more.
		if err == nil || errors.Is(err, context.DeadlineExceeded) {
			last.freed = max(last.freed, action.Revision)
			r.known.keep(hosted, action.Member, last)
		}
	case maintenance.Disarm:
		err = members.Disarm(ctx, address)
	case maintenance.Nothing:
		return period
	}
	logger := log.FromContext(ctx).WithValues("action", action.Kind, "pod", action.Member)
	if err != nil {
		logger.Info("Etcd not maintained", "reason", err.Error())
		return period
	}
	logger.Info("Etcd maintained")
	return soon
}

func (r *Reconciler) report(ctx context.Context, cluster *v1alpha1.TenantCluster, condition metav1.Condition) error {
	status := report.EtcdStatus(cluster, condition, r.clock.Now())
	object := slipwayac.TenantCluster(cluster.Name, cluster.Namespace).WithUID(cluster.UID).WithStatus(status)
	if err := r.writer.ApplyStatus(ctx, object, cluster); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	before := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionEtcdReady)
	if condition.Reason == report.ReasonEtcdNearlyFull && (before == nil || before.Reason != condition.Reason) {
		// That etcd is full is told as what keeps the TenantCluster from being Ready.
		r.recorder.Eventf(cluster, nil, corev1.EventTypeWarning, condition.Reason, "Report", "%s", condition.Message)
	}
	return nil
}

// defragmentation of a member, the last that is known of.
type defragmentation struct {
	begun time.Time
	freed int64
}

// history has the last defragmentation of each member, by hosted namespace and pod.
type history struct {
	mu      sync.Mutex
	tenants map[string]map[string]defragmentation
}

func (h *history) last(hosted, pod string) defragmentation {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tenants[hosted][pod]
}

func (h *history) keep(hosted, pod string, last defragmentation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.tenants == nil {
		h.tenants = map[string]map[string]defragmentation{}
	}
	if h.tenants[hosted] == nil {
		h.tenants[hosted] = map[string]defragmentation{}
	}
	h.tenants[hosted][pod] = last
}

func (h *history) forget(hosted string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.tenants, hosted)
}
