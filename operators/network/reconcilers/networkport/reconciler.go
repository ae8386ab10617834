// Package networkport gives every NetworkPort its identity.
package networkport

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/conditions"
	"slipway.dev/operators/network/fabric"
)

const fieldOwner client.FieldOwner = "network-operator"

// Reconciler allocates the addresses of all ports, one port at a time.
type Reconciler struct {
	Client client.Client
	// Live reads from the API server: an address that a cache does not know of
	// yet must not be given out twice.
	Live client.Reader
}

// SetupWithManager makes the manager run the reconciler.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("networkport").
		For(&v1alpha1.NetworkPort{}).
		// A port that goes frees an address that another may wait for.
		Watches(&v1alpha1.NetworkPort{}, handler.Funcs{DeleteFunc: r.waiting}).
		Watches(&v1alpha1.TenantNetwork{}, handler.EnqueueRequestsFromMapFunc(r.portsOf)).
		WithOptions(controller.Options{MaxConcurrentReconciles: 1}).
		Complete(r)
}

// Reconcile gives one port its identity.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var port v1alpha1.NetworkPort
	if err := r.Live.Get(ctx, req.NamespacedName, &port); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if port.DeletionTimestamp != nil {
		return ctrl.Result{}, nil
	}
	var network v1alpha1.TenantNetwork
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: port.Namespace, Name: port.Spec.NetworkName}, &network)
	if client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, fmt.Errorf("get TenantNetwork: %w", err)
	}
	var ports v1alpha1.NetworkPortList
	if err := r.Live.List(ctx, &ports, client.InNamespace(port.Namespace)); err != nil {
		return ctrl.Result{}, fmt.Errorf("list NetworkPorts: %w", err)
	}
	status, err := identify(port, network, ports.Items)
	if err != nil {
		return ctrl.Result{}, err
	}
	err = apply.Status(ctx, r.Client, fieldOwner, slipwayac.NetworkPort(port.Name, port.Namespace).WithStatus(status))
	return ctrl.Result{}, client.IgnoreNotFound(err)
}

// identify decides about the whole status but for the attachment. What a port
// has got it keeps, whatever comes.
func identify(port v1alpha1.NetworkPort, network v1alpha1.TenantNetwork, all []v1alpha1.NetworkPort) (*slipwayac.NetworkPortStatusApplyConfiguration, error) {
	status := slipwayac.NetworkPortStatus().WithObservedGeneration(port.Generation)
	report := func(ready metav1.Condition) *slipwayac.NetworkPortStatusApplyConfiguration {
		return status.WithConditions(conditions.Apply(port.Status.Conditions, port.Generation, ready)...)
	}
	keep := func() {
		if port.Status.IPAddress != "" {
			status.WithIPAddress(port.Status.IPAddress).WithMACAddress(port.Status.MACAddress).
				WithPrefixLength(port.Status.PrefixLength).WithGateway(port.Status.Gateway).WithMTU(port.Status.MTU)
		}
	}
	if network.Status.VNI == nil || network.Status.Gateway == nil || network.Status.MTU == 0 {
		keep()
		return report(conditions.False("Ready", "NetworkNotReady",
			fmt.Sprintf("TenantNetwork %s is not ready", port.Spec.NetworkName))), nil
	}
	nodes, err := netip.ParsePrefix(string(network.Spec.NodeCIDR))
	if err != nil {
		return nil, reconcile.TerminalError(fmt.Errorf("nodeCIDR of TenantNetwork %s: %w", network.Name, err))
	}
	address, err := fabric.AllocateAddress(nodes, port, all)
	var refusal *fabric.Refusal
	if errors.As(err, &refusal) {
		if refusal.Reason == fabric.ReasonAddressFixed {
			keep()
		}
		return report(conditions.False("Ready", refusal.Reason, refusal.Message)), nil
	}
	status.WithIPAddress(address.String()).WithMACAddress(fabric.MAC(*network.Status.VNI, address).String()).
		WithPrefixLength(int32(nodes.Bits())).WithGateway(network.Status.Gateway.IPAddress).WithMTU(network.Status.MTU)
	return report(conditions.True("Ready", "Allocated", "")), nil
}

func (r *Reconciler) portsOf(ctx context.Context, network client.Object) []reconcile.Request {
	return r.requests(ctx, network.GetNamespace(), func(p v1alpha1.NetworkPort) bool {
		return p.Spec.NetworkName == network.GetName()
	})
}

// waiting enqueues the ports without an address.
func (r *Reconciler) waiting(ctx context.Context, gone event.DeleteEvent, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	for _, request := range r.requests(ctx, gone.Object.GetNamespace(), func(p v1alpha1.NetworkPort) bool {
		return p.Status.IPAddress == ""
	}) {
		queue.Add(request)
	}
}

func (r *Reconciler) requests(ctx context.Context, namespace string, wanted func(v1alpha1.NetworkPort) bool) []reconcile.Request {
	var ports v1alpha1.NetworkPortList
	if err := r.Client.List(ctx, &ports, client.InNamespace(namespace)); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing NetworkPorts", "namespace", namespace)
		return nil
	}
	var requests []reconcile.Request
	for _, p := range ports.Items {
		if wanted(p) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&p)})
		}
	}
	return requests
}
