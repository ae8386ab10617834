package machine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
	"slipway.dev/kit/tenantapi"
	"slipway.dev/operators/kvm/drain"
)

// Reasons of the condition Drained.
const (
	reasonDraining  = "Draining"
	reasonTimedOut  = "TimedOut"
	reasonNotNeeded = "NotNeeded"
)

const (
	// evictionRetry is how soon a Node that is being drained is looked at again.
	// kubectl drain asks as well: no watch tells what a PodDisruptionBudget allows next.
	evictionRetry = 2 * time.Second
	// podPage is how many pods are read at a time: what a tenant writes about
	// one can be long.
	podPage = 10
	// evictionsPerStep is as many pods as a kubelet runs by default, and a few more.
	evictionsPerStep = 120
	// evictionsAtOnce is how many evictions are under way at a time.
	evictionsAtOnce = 8
)

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
	left := o.machine.DeletionTimestamp.Add(r.drainTimeout(o)).Sub(r.Clock.Now())
	switch {
	case o.tenantGoing:
		return conditions.True(conditionType, reasonNotNeeded, "the whole tenant is being deleted"), 0
	case o.vm == nil || o.tenant != nil && o.node == nil || o.kubeconfig == nil && o.machine.Status.PodCIDR == "":
		return conditions.True(conditionType, reasonNotNeeded, "it never became a Node"), 0
	case o.tenant == nil && left <= 0:
		return conditions.False(conditionType, reasonTimedOut, "the tenant's API did not answer"), 0
	case o.tenant == nil:
		return conditions.False(conditionType, reasonDraining, "waits for the tenant's API"), left
	}
	var pods remainder
	err := o.tenant.Do(ctx, func(ctx context.Context, c client.Client) (err error) {
		pods, err = evict(ctx, c, o.node, left > 0)
		return err
	})
	again, busy := tenantapi.RetryAfter(err)
	switch {
	case err == nil && len(pods.left) == 0:
		return conditions.True(conditionType, "Drained", ""), 0
	case left <= 0:
		return conditions.False(conditionType, reasonTimedOut, pods.leftBehind()), 0
	case busy:
		return stillDraining(o.machine), min(left, again)
	case err != nil:
		log.FromContext(ctx).Info("Draining Node", "Node", o.node.Name, "problem", conditions.FirstLine(err.Error()))
		return conditions.False(conditionType, reasonDraining, obstacle(o.node, err)), min(left, evictionRetry)
	}
	return conditions.False(conditionType, reasonDraining, "waits for pods to leave: "+drain.Describe(pods.left, pods.refused)), min(left, evictionRetry)
}

// drainTimeout is that of the Machine's pool, or else of all.
func (r *Reconciler) drainTimeout(o *observation) time.Duration {
	if o.pool != nil && o.pool.Spec.DrainTimeoutSeconds != nil {
		return time.Duration(*o.pool.Spec.DrainTimeoutSeconds) * time.Second
	}
	return r.Options.DrainTimeout
}

// stillDraining is what was known before a tenant was left alone for a while.
func stillDraining(machine *v1alpha1.Machine) metav1.Condition {
	if known := meta.FindStatusCondition(machine.Status.Conditions, v1alpha1.ConditionDrained); known != nil {
		return *known
	}
	return conditions.False(v1alpha1.ConditionDrained, reasonDraining, "waits for the tenant's API, which is slow or fails")
}

// obstacle is what a drain did not get past. What the tenant says itself stays out.
func obstacle(node *corev1.Node, err error) string {
	if refused := (*tenantapi.RefusedError)(nil); errors.As(err, &refused) {
		return explain(refused)
	}
	return "the tenant's API does not tell the pods of Node " + node.Name
}

// remainder are the pods that are still on a Node.
type remainder struct {
	left []corev1.Pod
	// refused has the reason of those that may not go yet, by namespace/name.
	refused map[string]string
}

func (r remainder) leftBehind() string {
	if len(r.left) == 0 {
		return "the tenant's API refused to drain the Node"
	}
	return "left running: " + drain.Describe(r.left, r.refused)
}

// evict cordons the Node, evicts pods and returns those that are still there.
func evict(ctx context.Context, c client.Client, node *corev1.Node, active bool) (remainder, error) {
	left, err := podsOf(ctx, c, node.Name)
	if err != nil || !active {
		return remainder{left: left}, err
	}
	if !node.Spec.Unschedulable {
		cordoned := node.DeepCopy()
		cordoned.Spec.Unschedulable = true
		if err := c.Patch(ctx, cordoned, client.MergeFrom(node)); err != nil {
			write := tenantapi.Write{Object: "Node " + node.Name, Resource: schema.GroupResource{Resource: "nodes"}}
			return remainder{left: left}, write.Refused(ctx, c, fmt.Errorf("cordon Node %s: %w", node.Name, err))
		}
	}
	refused, err := evictPods(ctx, c, left[:min(evictionsPerStep, len(left))])
	return remainder{left: left, refused: refused}, err
}

// podsOf reads the pods that have to leave a Node, as many as one step can do
// something about, and of each only the metadata. They are not cached: of all of
// a tenant's pods, those of a Node that goes are the only ones that matter, for a
// minute.
func podsOf(ctx context.Context, c client.Client, node string) (left []corev1.Pod, err error) {
	running := client.MatchingFieldsSelector{Selector: fields.AndSelectors(
		fields.OneTermEqualSelector("spec.nodeName", node),
		fields.OneTermNotEqualSelector("status.phase", string(corev1.PodSucceeded)),
		fields.OneTermNotEqualSelector("status.phase", string(corev1.PodFailed)),
	)}
	for next := ""; ; {
		pods := &metav1.PartialObjectMetadataList{}
		pods.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodList"))
		if err := c.List(ctx, pods, running, client.Limit(podPage), client.Continue(next)); err != nil {
			return left, fmt.Errorf("list pods of Node %s: %w", node, err)
		}
		left = append(left, drain.Remaining(pods.Items)...)
		if next = pods.Continue; next == "" || len(left) >= evictionsPerStep {
			return left, nil
		}
	}
}

// evictPods asks for evictions, some at a time so that one that the API server
// thinks about for long does not make all others wait.
func evictPods(ctx context.Context, c client.Client, pods []corev1.Pod) (refused map[string]string, err error) {
	answers := make([]error, len(pods))
	workqueue.ParallelizeUntil(ctx, evictionsAtOnce, len(pods), func(i int) {
		if pod := &pods[i]; pod.DeletionTimestamp == nil {
			eviction := &policyv1.Eviction{DeleteOptions: &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &pod.UID}}}
			answers[i] = evictionOf(pod).Refused(ctx, c, c.SubResource("eviction").Create(ctx, pod, eviction))
		}
	})
	refused = map[string]string{}
	for i, answer := range answers {
		key := pods[i].Namespace + "/" + pods[i].Name
		switch {
		case answer == nil, apierrors.IsNotFound(answer), apierrors.IsConflict(answer):
		case apierrors.IsTooManyRequests(answer):
			refused[key] = conditions.FirstLine(strings.TrimSuffix(answer.Error(), "."))
		case err == nil: // later ones have had less time to find out what is in the way
			err = fmt.Errorf("evict pod %s: %w", key, answer)
		}
	}
	return refused, err
}

func evictionOf(pod *corev1.Pod) tenantapi.Write {
	return tenantapi.Write{
		Object:   "the eviction of Pod " + pod.Namespace + "/" + pod.Name,
		Resource: schema.GroupResource{Resource: "pods/eviction"}, Namespace: pod.Namespace,
	}
}
