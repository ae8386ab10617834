// Package machine gives a Machine its NIC, its bootstrap data, its guest and
// its Node, and takes them away in the opposite order.
package machine

import (
	"context"
	"errors"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/conditions"
	"slipway.dev/kit/finalizer"
	"slipway.dev/kit/image"
	"slipway.dev/kit/tenantapi"
	"slipway.dev/operators/kvm/tenant"
)

// Owner of the fields that this controller writes.
const Owner client.FieldOwner = "kvm-operator"

// Finalizer keeps a Machine until nothing of it is left.
const Finalizer = "slipway.dev/machine"

// Options are the operator's settings for all machines.
type Options struct {
	// Registry holds the guests' images.
	Registry string
	// Digests of the guests' images.
	Digests image.Digests
	// GuestCPURequestPerCore is what the scheduler sets aside for each core of a
	// guest; zero leaves it to KubeVirt.
	GuestCPURequestPerCore resource.Quantity
	// GuestKernelArgs follow those that every guest has.
	GuestKernelArgs string
	// Nameservers of the guests.
	Nameservers []netip.Addr
	// DrainTimeout is how long pods have to leave a Node whose Machine is deleted,
	// where its pool says nothing else.
	DrainTimeout time.Duration
	// JoinTimeout is how long a guest that runs has to become a Node before it is started anew.
	JoinTimeout time.Duration
}

// Tenants are the tenants' APIs.
type Tenants interface {
	// Tenant returns that whose kubeconfig the Secret holds, and a
	// tenantapi.NotConnectedError while its API cannot be asked.
	Tenant(ctx context.Context, kubeconfig *corev1.Secret) (*tenantapi.Tenant, error)
}

// Reconciler reconciles Machines.
type Reconciler struct {
	Client client.Client
	// Writer has this controller's field owner, Owner.
	Writer  *apply.Writer
	Tenants Tenants
	// Refusals are why workers get no certificate.
	Refusals *tenant.Refusals
	Events   Events
	Options  Options
	Clock    clock.PassiveClock

	issued issued
	shared shared
	pace   pace
}

// Reconcile observes everything about one Machine, does what can be done now,
// and reports. Whatever it waits for wakes it by a watch.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	o, err := r.observe(ctx, request.NamespacedName)
	if err != nil {
		return ctrl.Result{}, err
	}
	if o == nil {
		r.issued.forget(request.NamespacedName)
		r.pace.forget(request.NamespacedName)
		r.Refusals.Forget(request.NamespacedName)
		return ctrl.Result{}, nil
	}
	if o.machine.DeletionTimestamp != nil {
		r.issued.forget(request.NamespacedName)
		return r.delete(ctx, o)
	}
	if o.namespace == nil {
		notHosted := conditions.False(v1alpha1.ConditionReady, tenant.ReasonNotHosted, tenant.MessageNotHosted)
		return ctrl.Result{}, r.Writer.ApplyStatus(ctx, report(o, notHosted), o.machine)
	}
	created := r.create(ctx, o)
	if o.refused = refusal(created); created != nil && o.refused == nil {
		return ctrl.Result{}, created
	}
	renewal, tokenErr := r.admit(ctx, o)
	if err := r.Writer.ApplyStatus(ctx, status(o, tokenErr), o.machine); err != nil {
		return ctrl.Result{}, err
	}
	if created != nil {
		return ctrl.Result{}, errors.Join(created, tokenErr)
	}
	if tokenErr == nil {
		tokenErr = r.shareRegistries(ctx, o)
	}
	if after, busy := tenantapi.RetryAfter(tokenErr); busy {
		return ctrl.Result{RequeueAfter: after}, nil
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
	if err := finalizer.Ensure(ctx, r.Client, o.machine, Finalizer); err != nil {
		return err
	}
	if err := r.Writer.Apply(ctx, networkPort(o), o.port); err != nil {
		return err
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
