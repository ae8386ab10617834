// Package machine gives a Machine its NIC, its bootstrap data, its guest and
// its Node, and takes them away in the opposite order.
package machine

import (
	"context"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/kit/apply"
)

// owner of the fields that this controller writes.
const owner client.FieldOwner = "kvm-operator"

// Finalizer keeps a Machine until nothing of it is left.
const Finalizer = "slipway.dev/machine"

// Options are the operator's settings for all machines.
type Options struct {
	// Registry holds the guests' images.
	Registry string
	// GuestCPURequest is what the scheduler sets aside for one guest; zero leaves it to KubeVirt.
	GuestCPURequest resource.Quantity
	// GuestKernelArgs follow those that every guest has.
	GuestKernelArgs string
	// Nameservers of the guests.
	Nameservers []netip.Addr
	// DrainTimeout is how long pods have to leave a Node whose Machine is deleted.
	DrainTimeout time.Duration
	// JoinTimeout is how long a guest that runs has to become a Node before it is started anew.
	JoinTimeout time.Duration
}

// Tenants gives clients of tenants' APIs.
type Tenants interface {
	// Client is that of the tenant whose kubeconfig the Secret holds, and
	// tenantapi.ErrNotConnected until its API answers.
	Client(kubeconfig *corev1.Secret) (client.Client, error)
}

// Reconciler reconciles Machines.
type Reconciler struct {
	Client  client.Client
	Tenants Tenants
	Events  events.EventRecorder
	Options Options
	Now     func() time.Time
}

// Reconcile observes everything about one Machine, does what can be done now,
// and reports. Whatever it waits for wakes it by a watch.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	o, err := r.observe(ctx, request.NamespacedName)
	if o == nil || err != nil {
		return ctrl.Result{}, err
	}
	if o.machine.DeletionTimestamp != nil {
		return r.delete(ctx, o)
	}
	if err := r.create(ctx, o); err != nil {
		return ctrl.Result{}, err
	}
	renewal, tokenErr := r.admit(ctx, o)
	if err := apply.Status(ctx, r.Client, owner, status(o, tokenErr)); err != nil {
		return ctrl.Result{}, err
	}
	if tokenErr != nil {
		return ctrl.Result{}, tokenErr
	}
	left, err := r.restartIfStuck(ctx, o)
	return ctrl.Result{RequeueAfter: soonest(renewal, left)}, err
}

// soonest of two waits, of which zero is none.
func soonest(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// create makes what is missing of the Machine in the management cluster, as
// far as its inputs are there.
func (r *Reconciler) create(ctx context.Context, o *observation) error {
	name, namespace := o.machine.Name, o.machine.Namespace
	if !controllerutil.ContainsFinalizer(o.machine, Finalizer) {
		if err := apply.Objects(ctx, r.Client, owner, slipwayac.Machine(name, namespace).WithFinalizers(Finalizer)); err != nil {
			return err
		}
	}
	if !portIsAsWanted(o) {
		if err := apply.Objects(ctx, r.Client, owner, networkPort(o)); err != nil {
			return err
		}
	}
	if !o.hasIdentity() || len(o.missing) > 0 {
		return nil
	}
	if o.bootstrap == nil {
		if err := r.createBootstrapSecret(ctx, o); err != nil {
			return err
		}
	}
	return r.applyVirtualMachine(ctx, o)
}
