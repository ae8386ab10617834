package machine

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
)

// restartIfStuck starts a guest anew that runs and could have joined its
// tenant for long, and has not: nothing inside can help a guest that hangs
// before its init runs, as emulated ones do now and then. It gives how long a
// guest still has; zero for one that has joined, or that has to wait for its
// tenant's API.
func (r *Reconciler) restartIfStuck(ctx context.Context, o *observation) (left time.Duration, err error) {
	since, waiting := couldJoinSince(o)
	if !waiting {
		return 0, nil
	}
	if left = since.Add(r.Options.JoinTimeout).Sub(r.Clock.Now()); left > 0 {
		return left, nil
	}
	r.issued.forget(client.ObjectKeyFromObject(o.machine))
	r.Events.guestDidNotJoin(o.machine, o.vmi, r.Options.JoinTimeout)
	return 0, r.remove(ctx, o.vmi)
}

// couldJoinSince is when the guest ran, the tenant's API had its token, and there
// was no Node.
func couldJoinSince(o *observation) (since time.Time, waiting bool) {
	if o.tenant == nil || o.vmi == nil || o.vmi.DeletionTimestamp != nil || o.vmi.Status.Phase != kubevirtv1.Running || o.joined() {
		return time.Time{}, false
	}
	since = o.vmi.CreationTimestamp.Time
	for _, conditionType := range []string{v1alpha1.ConditionGuestRunning, v1alpha1.ConditionBootstrapReady} {
		c := meta.FindStatusCondition(o.machine.Status.Conditions, conditionType)
		if c == nil || c.Status != metav1.ConditionTrue {
			return time.Time{}, false // its report wakes us
		}
		if c.LastTransitionTime.After(since) {
			since = c.LastTransitionTime.Time
		}
	}
	// A Node that was removed has been there until now, or until that was reported.
	switch node := meta.FindStatusCondition(o.machine.Status.Conditions, v1alpha1.ConditionNodeReady); {
	case node == nil:
	case node.Status == metav1.ConditionTrue:
		since = o.now
	case node.LastTransitionTime.After(since):
		since = node.LastTransitionTime.Time
	}
	return since, true
}
