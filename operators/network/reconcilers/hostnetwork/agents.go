package hostnetwork

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// agentLabels are those of the agents' pods, as the chart has them.
var agentLabels = labels.Set{"app.kubernetes.io/name": "network-agent"}

// nodeField finds a node's pods, in a cache by its index.
const nodeField = "spec.nodeName"

// CacheOptions restrict what the manager watches and remembers of Nodes, and of
// pods, which are the agents' in their namespace alone.
func CacheOptions(agentNamespace string) cache.Options {
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Node{}: {Transform: nodeReadiness},
			&corev1.Pod{}: {
				Namespaces: map[string]cache.Config{agentNamespace: {LabelSelector: agentLabels.AsSelector()}},
				Transform:  podReadiness,
			},
		},
	}
}

// nodeReadiness leaves of a Node in a cache what this package reads.
func nodeReadiness(object any) (any, error) {
	node, ok := object.(*corev1.Node)
	if !ok {
		return object, nil // a tombstone
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: node.Name, UID: node.UID, ResourceVersion: node.ResourceVersion},
		Status:     corev1.NodeStatus{Conditions: node.Status.Conditions},
	}, nil
}

// podReadiness leaves of a pod in a cache what this package reads.
func podReadiness(object any) (any, error) {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return object, nil // a tombstone
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID, ResourceVersion: pod.ResourceVersion,
			Labels: pod.Labels, CreationTimestamp: pod.CreationTimestamp,
		},
		Spec:   corev1.PodSpec{NodeName: pod.Spec.NodeName},
		Status: corev1.PodStatus{Conditions: pod.Status.Conditions},
	}, nil
}

func indexNode(pod client.Object) []string { return []string{pod.(*corev1.Pod).Spec.NodeName} }

// hostOf enqueues the host of an agent: it has its Node's name.
func hostOf(_ context.Context, pod client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: client.ObjectKey{Name: pod.(*corev1.Pod).Spec.NodeName}}}
}

// agentChanged leaves out what a pod reports beside its readiness.
var agentChanged = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	before, after := e.ObjectOld.(*corev1.Pod), e.ObjectNew.(*corev1.Pod)
	return before.Spec.NodeName != after.Spec.NodeName || isPodReady(*before) != isPodReady(*after)
}}

// agents are the pods on a node that should report; while one replaces another
// there are two.
func (r *Reconciler) agents(ctx context.Context, node string) ([]corev1.Pod, error) {
	var pods corev1.PodList
	err := r.Client.List(ctx, &pods, client.InNamespace(r.AgentNamespace),
		client.MatchingLabels(agentLabels), client.MatchingFields{nodeField: node})
	if err != nil {
		return nil, fmt.Errorf("list agents of Node %s: %w", node, err)
	}
	return pods.Items, nil
}

// silence says why nobody may report of a node, in words for its condition;
// empty while an agent is Ready. It names the newest.
func silence(node string, agents []corev1.Pod) string {
	if slices.ContainsFunc(agents, isPodReady) {
		return ""
	}
	if len(agents) == 0 {
		return fmt.Sprintf("there is no network-agent on Node %s to report", node)
	}
	newest := slices.MaxFunc(agents, func(a, b corev1.Pod) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	return fmt.Sprintf("Pod %s/%s on Node %s is not Ready, so it may not report anymore", newest.Namespace, newest.Name, node)
}

func isPodReady(pod corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
