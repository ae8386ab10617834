// Package hostnetwork says of every HostNetwork whether it is Ready. Its agent
// says what is programmed; that the agent can no longer say so is for somebody
// else to see.
package hostnetwork

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/conditions"
)

// Owner of the fields that this controller writes.
const Owner client.FieldOwner = "network-operator"

// Reconciler writes the condition Ready, and nothing else.
type Reconciler struct {
	Client client.Client
	// Writer has this controller's field owner, Owner.
	Writer *apply.Writer
	Events Events
	// AgentNamespace is where the agents' pods are.
	AgentNamespace string
}

// SetupWithManager makes the manager run the reconciler.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager) error {
	if err := mgr.GetFieldIndexer().IndexField(ctx, &corev1.Pod{}, nodeField, indexNode); err != nil {
		return fmt.Errorf("index the agents by node: %w", err)
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("hostnetwork").
		For(&v1alpha1.HostNetwork{}).
		// A HostNetwork has its Node's name.
		Watches(&corev1.Node{}, &handler.EnqueueRequestForObject{}, builder.WithPredicates(readinessChanged)).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(hostOf), builder.WithPredicates(agentChanged)).
		WithOptions(controller.Options{MaxConcurrentReconciles: 2}).
		Complete(r)
}

// readinessChanged leaves out the Nodes' heartbeats.
var readinessChanged = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	return isReady(e.ObjectOld.(*corev1.Node)) != isReady(e.ObjectNew.(*corev1.Node))
}}

// Reconcile says whether one host is Ready.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var host v1alpha1.HostNetwork
	if err := r.Client.Get(ctx, req.NamespacedName, &host); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	node := &corev1.Node{}
	err := r.Client.Get(ctx, req.NamespacedName, node)
	if client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, fmt.Errorf("get Node: %w", err)
	}
	if err != nil {
		node = nil
	}
	agents, err := r.agents(ctx, host.Name)
	if err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, client.IgnoreNotFound(r.report(ctx, &host, summary(host, node, agents)))
}

// report writes the condition on the version that it was decided on: what a
// cache knows late is not told again.
func (r *Reconciler) report(ctx context.Context, host *v1alpha1.HostNetwork, ready metav1.Condition) error {
	object := slipwayac.HostNetwork(host.Name).WithResourceVersion(host.ResourceVersion).WithStatus(slipwayac.HostNetworkStatus().
		WithConditions(conditions.Apply(host.Status.Conditions, host.Generation, ready)...))
	if err := r.Writer.ApplyStatus(ctx, object, host); err != nil {
		return err
	}
	r.Events.reported(host, ready)
	return nil
}

// summary is what the agent has reported, unless it may not be there to report
// anymore. What is programmed works without it, so networks are as Ready as before.
func summary(host v1alpha1.HostNetwork, node *corev1.Node, agents []corev1.Pod) metav1.Condition {
	unknown := func(reason, format string, values ...any) metav1.Condition {
		return metav1.Condition{
			Type: v1alpha1.ConditionReady, Status: metav1.ConditionUnknown, Reason: reason, Message: fmt.Sprintf(format, values...),
		}
	}
	silent := silence(host.Name, agents)
	programmed := meta.FindStatusCondition(host.Status.Conditions, v1alpha1.ConditionProgrammed)
	switch {
	case node == nil:
		return unknown("NodeGone", "Node %s does not exist", host.Name)
	case !isReady(node):
		return unknown("NodeNotReady", "Node %s is not Ready, so its agent may not report anymore", host.Name)
	case silent != "":
		return unknown("AgentNotReady", "%s", silent)
	case programmed == nil:
		return unknown("NotReported", "the agent on Node %s has not reported yet", host.Name)
	}
	return metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: programmed.Status, Reason: programmed.Reason, Message: programmed.Message,
	}
}

func isReady(node *corev1.Node) bool {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
