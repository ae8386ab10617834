// Package orphans removes hosted namespaces whose TenantCluster has gone without
// them: somebody has removed its finalizer.
package orphans

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/deletion"
	"slipway.dev/operators/cluster/hosted"
	"slipway.dev/operators/cluster/observed"
)

// Reconciler reconciles hosted namespaces.
type Reconciler struct {
	client   client.Client
	reader   hosted.Reader
	teardown hosted.Teardown
	clock    clock.PassiveClock
	recorder events.EventRecorder

	mu sync.Mutex
	// histories of the removals that go on, by namespace. After a restart each stage
	// has its time again, which does no harm.
	histories map[string]deletion.History
}

// New makes a Reconciler that writes through c and reads through reader.
func New(c client.Client, reader hosted.Reader, grants hosted.Grants, clock clock.PassiveClock, recorder events.EventRecorder) *Reconciler {
	return &Reconciler{
		client: c, reader: reader, teardown: hosted.NewTeardown(c, reader, grants),
		clock: clock, recorder: recorder, histories: map[string]deletion.History{},
	}
}

// Reconcile removes what is in a hosted namespace, stage by stage, and then the
// namespace, if its TenantCluster is gone.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	namespace := &corev1.Namespace{}
	err := r.client.Get(ctx, request.NamespacedName, namespace)
	if apierrors.IsNotFound(err) {
		r.forget(request.Name)
	}
	if err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	id := identity(namespace)
	if !id.Owns(namespace) {
		return ctrl.Result{}, nil
	}
	if gone, err := r.gone(ctx, id); err != nil || !gone {
		return ctrl.Result{}, err
	}
	now := r.clock.Now()
	decision, err := r.teardown.Continue(ctx, id, r.history(namespace, id, now), now)
	if err != nil {
		return ctrl.Result{}, err
	}
	r.remember(namespace.Name, decision, now)
	return ctrl.Result{RequeueAfter: decision.Wait}, nil
}

// identity of the TenantCluster that a namespace says it was made for.
func identity(namespace *corev1.Namespace) observed.Identity {
	return observed.Identity{
		Namespace: namespace.Labels[v1alpha1.LabelTenantNamespace],
		Name:      namespace.Labels[v1alpha1.LabelTenantName],
		UID:       types.UID(namespace.Annotations[v1alpha1.AnnotationTenantUID]),
	}
}

// gone asks the API server itself, unless the cache knows the TenantCluster: a
// cache that is behind must cost nobody their cluster.
func (r *Reconciler) gone(ctx context.Context, id observed.Identity) (bool, error) {
	key := client.ObjectKey{Namespace: id.Namespace, Name: id.Name}
	if r.known(ctx, id) {
		return false, nil
	}
	cluster := &v1alpha1.TenantCluster{}
	err := r.reader.Live.Get(ctx, key, cluster)
	if absent(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("get TenantCluster %s: %w", key, err)
	}
	return cluster.UID != id.UID, nil
}

// known reports whether the cache has that very TenantCluster.
func (r *Reconciler) known(ctx context.Context, id observed.Identity) bool {
	cluster := &v1alpha1.TenantCluster{}
	err := r.client.Get(ctx, client.ObjectKey{Namespace: id.Namespace, Name: id.Name}, cluster)
	return err == nil && cluster.UID == id.UID
}

// absent reports whether the API server has said that there is no such object. A
// server that does not know the kind says NotFound too.
func absent(err error) bool {
	return apierrors.IsNotFound(err) && !apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}

// history of the removal, which begins when it is asked for first.
func (r *Reconciler) history(namespace *corev1.Namespace, id observed.Identity, now time.Time) deletion.History {
	r.mu.Lock()
	defer r.mu.Unlock()
	history, known := r.histories[namespace.Name]
	if !known {
		history = deletion.History{Begun: now, Complete: map[string]time.Time{}}
		r.histories[namespace.Name] = history
		orphaned(r.recorder, namespace, id)
	}
	return history
}

func (r *Reconciler) remember(namespace string, decision deletion.Decision, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, stage := range decision.Complete {
		if _, known := r.histories[namespace].Complete[stage]; !known {
			r.histories[namespace].Complete[stage] = now
		}
	}
}

func (r *Reconciler) forget(namespace string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.histories, namespace)
}
