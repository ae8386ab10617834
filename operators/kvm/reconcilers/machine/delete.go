package machine

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/conditions"
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
		if err := apply.Status(ctx, r.Client, owner, report(o, drained, ready)); err != nil {
			return ctrl.Result{}, err
		}
		if drained.Reason == reasonTimedOut {
			r.Events.Eventf(o.machine, nil, corev1.EventTypeWarning, "DrainTimedOut", "Drain", "Node was not drained within %s: %s", r.Options.DrainTimeout, drained.Message)
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
	before := o.machine.DeepCopy()
	controllerutil.RemoveFinalizer(o.machine, Finalizer)
	err = r.Client.Patch(ctx, o.machine, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	return ctrl.Result{}, client.IgnoreNotFound(err)
}

func (r *Reconciler) reportDeleting(ctx context.Context, o *observation, waitsFor string) error {
	wanted := []metav1.Condition{conditions.False(v1alpha1.ConditionReady, "Deleting", "waits for "+waitsFor)}
	if drained := meta.FindStatusCondition(o.machine.Status.Conditions, v1alpha1.ConditionDrained); drained != nil {
		wanted = append(wanted, *drained)
	}
	return apply.Status(ctx, r.Client, owner, report(o, wanted...))
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
			limit := o.machine.DeletionTimestamp.Add(r.Options.DrainTimeout + farewellTime)
			if left := limit.Sub(r.Now()); left > 0 {
				log.FromContext(ctx).Info("Removing Node from tenant", "Node", name, "problem", err.Error())
				return "the tenant's API to remove Node " + name, min(left, evictionRetry), nil
			}
			r.Events.Eventf(o.machine, nil, corev1.EventTypeWarning, "NodeLeft", "Delete", "Tenant's API does not answer; Node %s may be left in it", name)
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
		return fmt.Errorf("tenant's API does not answer")
	}
	ctx, cancel := context.WithTimeout(ctx, tenantTimeout)
	defer cancel()
	if o.node != nil {
		if err := client.IgnoreNotFound(o.tenant.Delete(ctx, o.node)); err != nil {
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
	return removeToken(ctx, o.tenant, token)
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
