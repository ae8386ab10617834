package machine

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
	"slipway.dev/kit/finalizer"
	"slipway.dev/operators/kvm/bootstrap"
)

// farewellTime is how long after the end of the drain the tenant's API may
// take to forget the Node, before the Machine goes without.
const farewellTime = 15 * time.Second

// delete drains the Node, then removes the guest, the Node, the credentials
// and the NIC, each when the one before is gone.
func (r *Reconciler) delete(ctx context.Context, o *observation) (ctrl.Result, error) {
	if !controllerutil.ContainsFinalizer(o.machine, Finalizer) {
		return ctrl.Result{}, nil
	}
	if !drainIsOver(o.machine) {
		drained, again := r.drain(ctx, o)
		over := drained.Status == metav1.ConditionTrue || drained.Reason == reasonTimedOut
		message := drained.Message
		if over {
			message = "drain is over"
		}
		ready := conditions.False(v1alpha1.ConditionReady, reasonDraining, message)
		if err := r.Writer.ApplyStatus(ctx, report(o, drained, ready), o.machine); err != nil {
			return ctrl.Result{}, err
		}
		if drained.Reason == reasonTimedOut {
			r.Events.drainTimedOut(o.machine, drained.Message)
		}
		if !over {
			return ctrl.Result{RequeueAfter: again}, nil
		}
		meta.SetStatusCondition(&o.machine.Status.Conditions, drained)
	}
	waitsFor, again, err := r.tearDown(ctx, o)
	if err != nil {
		return ctrl.Result{}, err
	}
	if waitsFor != "" {
		return ctrl.Result{RequeueAfter: again}, r.reportDeleting(ctx, o, waitsFor)
	}
	return ctrl.Result{}, finalizer.Remove(ctx, r.Client, o.machine, Finalizer)
}

func (r *Reconciler) reportDeleting(ctx context.Context, o *observation, waitsFor string) error {
	wanted := []metav1.Condition{conditions.False(v1alpha1.ConditionReady, "Deleting", "waits for "+waitsFor)}
	if drained := meta.FindStatusCondition(o.machine.Status.Conditions, v1alpha1.ConditionDrained); drained != nil {
		wanted = append(wanted, *drained)
	}
	return r.Writer.ApplyStatus(ctx, report(o, wanted...), o.machine)
}

// tearDown takes the next step and names what it waits for; nothing when all
// is gone. again is when to try once more if no watch tells.
//
// The Node goes after the guest: without its Node, pods would be started
// elsewhere while they still run in the guest.
func (r *Reconciler) tearDown(ctx context.Context, o *observation) (waitsFor string, again time.Duration, err error) {
	name := o.machine.Name
	switch {
	case o.vm != nil:
		return "VirtualMachine " + name, 0, r.remove(ctx, o.vm)
	case o.vmi != nil:
		return "VirtualMachineInstance " + name, 0, nil
	}
	if !o.tenantGoing && o.kubeconfig != nil && (o.node != nil || o.bootstrap != nil) {
		if err := forget(ctx, o); err != nil {
			limit := o.machine.DeletionTimestamp.Add(r.drainTimeout(o) + farewellTime)
			if left := limit.Sub(r.Clock.Now()); left > 0 {
				log.FromContext(ctx).Info("Removing Node from tenant", "Node", name, "problem", conditions.FirstLine(err.Error()))
				return "the tenant's API to remove Node " + name, min(left, evictionRetry), nil
			}
			r.Events.nodeLeft(o.machine)
		}
	}
	if o.bootstrap != nil {
		if err := r.remove(ctx, o.bootstrap); err != nil {
			return "", 0, err
		}
	}
	if o.port != nil {
		return "NetworkPort " + name, 0, r.remove(ctx, o.port)
	}
	return "", 0, nil
}

// forget removes the Machine's Node and token from the tenant.
func forget(ctx context.Context, o *observation) error {
	if o.tenant == nil {
		return o.down
	}
	return o.tenant.Do(ctx, func(ctx context.Context, c client.Client) error {
		if o.node != nil {
			if err := client.IgnoreNotFound(c.Delete(ctx, o.node)); err != nil {
				return fmt.Errorf("delete Node: %w", err)
			}
		}
		if o.bootstrap == nil {
			return nil
		}
		token, err := bootstrap.ReadToken(o.bootstrap)
		if err != nil {
			return nil // nothing that a guest could have used
		}
		return removeToken(ctx, c, token)
	})
}

func (r *Reconciler) remove(ctx context.Context, object client.Object) error {
	if object.GetDeletionTimestamp() != nil {
		return nil
	}
	err := r.Client.Delete(ctx, object, client.Preconditions{UID: new(object.GetUID())}, client.PropagationPolicy(metav1.DeletePropagationBackground))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete %T %s: %w", object, object.GetName(), err)
	}
	return nil
}
