// Package networkport gives every NetworkPort its identity.
package networkport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/namespace"
	"slipway.dev/operators/network/allocation"
)

// Owner of the fields that this controller writes.
const Owner client.FieldOwner = "network-operator"

// Reconciler allocates the addresses of a network's ports. A request names the
// network, so that its ports wait for each other and for no others.
type Reconciler struct {
	// Client reads from caches.
	Client client.Client
	// Live reads from the API server: an address that a cache does not know of
	// yet must not be given out twice.
	Live client.Reader
	// Writer has this controller's field owner, Owner.
	Writer *apply.Writer
	Events Events
}

// SetupWithManager makes the manager run the reconciler.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("networkport").
		For(&v1alpha1.TenantNetwork{}).
		Watches(&v1alpha1.NetworkPort{}, handler.EnqueueRequestsFromMapFunc(networkOf), builder.WithPredicates(identityChanged)).
		WatchesMetadata(namespace.Metadata(), handler.EnqueueRequestsFromMapFunc(r.networksIn)).
		WithOptions(controller.Options{MaxConcurrentReconciles: 4}).
		Complete(r)
}

// identityChanged leaves out updates that only say where a port is plugged in.
var identityChanged = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	before, after := e.ObjectOld.(*v1alpha1.NetworkPort), e.ObjectNew.(*v1alpha1.NetworkPort)
	was, is := before.Status, after.Status
	was.Attachment, is.Attachment = nil, nil
	return before.Generation != after.Generation || before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero() ||
		!equality.Semantic.DeepEqual(was, is)
}}

// Reconcile gives all ports of one network their identity.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var network v1alpha1.TenantNetwork
	if err := r.Client.Get(ctx, req.NamespacedName, &network); client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, fmt.Errorf("get TenantNetwork: %w", err)
	}
	home, err := namespace.Get(ctx, r.Client, req.Namespace)
	if err != nil || home == nil {
		return ctrl.Result{}, err // where it is not known yet, its event follows
	}
	isHosted := v1alpha1.IsHostedNamespace(home)
	var all v1alpha1.NetworkPortList
	if err := r.Live.List(ctx, &all, client.InNamespace(req.Namespace)); err != nil {
		return ctrl.Result{}, fmt.Errorf("list NetworkPorts: %w", err)
	}
	ports := slices.DeleteFunc(all.Items, func(p v1alpha1.NetworkPort) bool { return p.Spec.NetworkName != req.Name })
	// What a port has it keeps; of those without, the oldest is first.
	slices.SortFunc(ports, func(a, b v1alpha1.NetworkPort) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	var failures []error
	for i := range ports {
		if ports[i].DeletionTimestamp != nil {
			continue // it has its address until it is gone
		}
		failures = append(failures, r.give(ctx, &ports[i], network, isHosted, ports))
	}
	return ctrl.Result{}, errors.Join(failures...)
}

// give gives one port its identity, and notes it for those that follow.
func (r *Reconciler) give(ctx context.Context, port *v1alpha1.NetworkPort, network v1alpha1.TenantNetwork, isHosted bool, all []v1alpha1.NetworkPort) error {
	wanted, err := allocation.PortStatus(*port, network, isHosted, all)
	if err != nil {
		return reconcile.TerminalError(err)
	}
	err = r.Writer.ApplyStatus(ctx, allocation.AppliedPort(*port, wanted), port)
	port.Status.IPAddress = wanted.IPAddress
	if err != nil {
		return client.IgnoreNotFound(err)
	}
	for _, ready := range wanted.Conditions {
		r.Events.reported(port, ready)
	}
	return nil
}

func networkOf(_ context.Context, port client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: client.ObjectKey{
		Namespace: port.GetNamespace(), Name: port.(*v1alpha1.NetworkPort).Spec.NetworkName,
	}}}
}

// networksIn enqueues the networks of a namespace, also those that ports only name.
func (r *Reconciler) networksIn(ctx context.Context, home client.Object) []reconcile.Request {
	var ports v1alpha1.NetworkPortList
	if err := r.Client.List(ctx, &ports, client.InNamespace(home.GetName())); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing NetworkPorts", "namespace", home.GetName())
		return nil
	}
	var requests []reconcile.Request
	for i := range ports.Items {
		requests = append(requests, networkOf(ctx, &ports.Items[i])...)
	}
	return requests
}
