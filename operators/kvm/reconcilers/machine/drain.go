package machine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
	"slipway.dev/operators/kvm/drain"
	"slipway.dev/operators/kvm/tenant"
)

// Reasons of the condition Drained.
const (
	reasonDraining  = "Draining"
	reasonTimedOut  = "TimedOut"
	reasonNotNeeded = "NotNeeded"
)

// evictionRetry is how soon a refused eviction is tried again. Pods that leave
// are watched; what a PodDisruptionBudget allows next is not.
const evictionRetry = 2 * time.Second

// tenantTimeout bounds every call to a tenant, whose API may be dying.
const tenantTimeout = 5 * time.Second

// drainIsOver is true when the Node has been drained or given up.
func drainIsOver(machine *v1alpha1.Machine) bool {
	c := meta.FindStatusCondition(machine.Status.Conditions, v1alpha1.ConditionDrained)
	return c != nil && (c.Status == metav1.ConditionTrue || c.Reason == reasonTimedOut)
}

// drain takes one step towards a Node without pods, and never blocks. It gives
// the condition Drained, and when to try again if no watch tells.
//
// This is not k8s.io/kubectl/pkg/drain because that waits inside its calls: one
// tenant's disruption budget would hold a worker of the operator for a minute.
func (r *Reconciler) drain(ctx context.Context, o *observation) (metav1.Condition, time.Duration) {
	const conditionType = v1alpha1.ConditionDrained
	left := o.machine.DeletionTimestamp.Add(r.Options.DrainTimeout).Sub(r.Now())
	switch {
	case o.tenantGoing:
		return conditions.True(conditionType, reasonNotNeeded, "the whole tenant is being deleted"), 0
	case o.vm == nil || o.kubeconfig == nil || o.tenant != nil && o.node == nil:
		return conditions.True(conditionType, reasonNotNeeded, "it never became a Node"), 0
	case o.tenant == nil && left <= 0:
		return conditions.False(conditionType, reasonTimedOut, "the tenant's API did not answer"), 0
	case o.tenant == nil:
		return conditions.False(conditionType, reasonDraining, "waits for the tenant's API"), left
	}
	remaining, refused, err := evict(ctx, o.tenant, o.node, left > 0)
	switch {
	case err == nil && len(remaining) == 0:
		return conditions.True(conditionType, "Drained", ""), 0
	case left <= 0:
		return conditions.False(conditionType, reasonTimedOut, leftBehind(remaining, refused)), 0
	case err != nil:
		log.FromContext(ctx).Info("Draining Node", "Node", o.node.Name, "problem", err.Error())
		return conditions.False(conditionType, reasonDraining, "the tenant's API refuses to drain Node "+o.node.Name), min(left, evictionRetry)
	case len(refused) > 0:
		left = min(left, evictionRetry)
	}
	return conditions.False(conditionType, reasonDraining, "waits for pods to leave: "+drain.Describe(remaining, refused)), left
}

func leftBehind(remaining []corev1.Pod, refused map[string]string) string {
	if len(remaining) == 0 {
		return "the tenant's API refused to drain the Node"
	}
	return "left running: " + drain.Describe(remaining, refused)
}

// evict cordons the Node and evicts its pods, and gives those that are still
// there, with the reason for each, by namespace/name, that may not go yet.
func evict(ctx context.Context, c client.Client, node *corev1.Node, active bool) (remaining []corev1.Pod, refused map[string]string, err error) {
	ctx, cancel := context.WithTimeout(ctx, tenantTimeout)
	defer cancel()
	var pods corev1.PodList
	if err := c.List(ctx, &pods, client.MatchingFields{tenant.NodeNameField: node.Name}); err != nil {
		return nil, nil, fmt.Errorf("list pods of Node %s: %w", node.Name, err)
	}
	remaining = drain.Remaining(pods.Items)
	if !active {
		return remaining, nil, nil
	}
	if !node.Spec.Unschedulable {
		cordoned := node.DeepCopy()
		cordoned.Spec.Unschedulable = true
		if err := c.Patch(ctx, cordoned, client.MergeFrom(node)); err != nil {
			return remaining, nil, fmt.Errorf("cordon Node %s: %w", node.Name, err)
		}
	}
	refused, err = evictPods(ctx, c, remaining)
	return remaining, refused, err
}

// evictPods asks for all evictions at the same time: the client itself waits
// and repeats a request when the API server says so, and one pod must not make
// the others wait with it.
func evictPods(ctx context.Context, c client.Client, pods []corev1.Pod) (refused map[string]string, err error) {
	answers := make([]error, len(pods))
	var asked sync.WaitGroup
	for i := range pods {
		pod := &pods[i]
		if pod.DeletionTimestamp != nil {
			continue
		}
		asked.Go(func() {
			eviction := &policyv1.Eviction{DeleteOptions: &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &pod.UID}}}
			answers[i] = c.SubResource("eviction").Create(ctx, pod, eviction)
		})
	}
	asked.Wait()
	refused = map[string]string{}
	for i, answer := range answers {
		key := pods[i].Namespace + "/" + pods[i].Name
		switch {
		case answer == nil, apierrors.IsNotFound(answer), apierrors.IsConflict(answer):
		case apierrors.IsTooManyRequests(answer):
			refused[key] = firstLine(strings.TrimSuffix(answer.Error(), "."))
		case errors.Is(answer, context.DeadlineExceeded):
			refused[key] = "the API did not decide in time"
		default:
			err = fmt.Errorf("evict pod %s: %w", key, answer)
		}
	}
	return refused, err
}
