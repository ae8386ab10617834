package report

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
	"slipway.dev/kit/tenantapi"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/observed"
)

// ReasonKubeconfigConflict is that of a Secret of somebody else in the place of
// the user's kubeconfig.
const ReasonKubeconfigConflict = "KubeconfigConflict"

// ControlPlane is True when every component has the replicas it wants, in the
// desired form, and etcd takes writes. Otherwise its message names the
// object that blocks: the first pod with a problem, in the order in which
// components start.
func ControlPlane(state State) metav1.Condition {
	const conditionType = v1alpha1.ConditionControlPlaneReady
	// What cannot write restarts again and again, and is not what has to be mended.
	if etcd := etcdFault(state.Seen.Cluster); etcd != nil {
		return conditions.False(conditionType, etcd.Reason, etcd.Message)
	}
	for _, component := range controlplane.Components {
		if condition := componentCondition(state, component); condition.Status != metav1.ConditionTrue {
			return condition
		}
	}
	if conflict := state.Wanted.Conflict; conflict != "" {
		return conditions.False(conditionType, ReasonKubeconfigConflict, conflict)
	}
	if waits := state.Wanted.KubeconfigWaits; waits != "" {
		return conditions.False(conditionType, ReasonWaiting, waits)
	}
	if addons := observedAddons(state.Seen.Cluster); addons.Status == metav1.ConditionUnknown && silent(addons.Reason) {
		// Pods can be ready whose API answers nobody: without a majority of etcd, for example.
		return conditions.Unknown(conditionType, addons.Reason, addons.Message)
	}
	return conditions.True(conditionType, ReasonReady, "")
}

// silent reports whether a reason says that the tenant's API does not answer.
func silent(reason string) bool {
	return reason == tenantapi.ReasonUnreachable || reason == tenantapi.ReasonConnecting
}

func componentCondition(state State, component string) metav1.Condition {
	const conditionType = v1alpha1.ConditionControlPlaneReady
	progress := rollout(state.Seen, component)
	waiting := state.Wanted.Waiting[component]
	if progress.complete() && waiting == "" {
		return conditions.True(conditionType, ReasonReady, "")
	}
	if reason, message := blocker(state.Seen, component, progress); message != "" {
		return conditions.False(conditionType, reason, message+quorum(component, progress))
	}
	if waiting != "" {
		return conditions.False(conditionType, ReasonWaiting, waiting)
	}
	return conditions.False(conditionType, ReasonProgressing, fmt.Sprintf("%s: %s", component, progress))
}

// quorum says when too few members of etcd are left to write anything.
func quorum(component string, progress progress) string {
	majority := progress.wanted/2 + 1
	if component != controlplane.Etcd || progress.wanted < 2 || progress.ready >= majority {
		return ""
	}
	return fmt.Sprintf("; etcd has %d of %d members and needs %d to work", progress.ready, progress.wanted, majority)
}

// progress of a component's roll-out.
type progress struct {
	found bool
	// observed: its controller has seen the present generation.
	observed                        bool
	wanted, current, updated, ready int32
}

// complete: all replicas are of the present generation and ready, and no others are left.
func (p progress) complete() bool {
	return p.found && p.observed && p.updated >= p.wanted && p.ready >= p.wanted && p.current <= p.wanted
}

func (p progress) String() string {
	if p.found && p.ready >= p.wanted {
		return "is being rolled out"
	}
	return fmt.Sprintf("%d of %d replicas are ready", p.ready, max(p.wanted, 1))
}

func rollout(seen *observed.Tenant, component string) progress {
	if set := observed.Named(seen.StatefulSets, component); set != nil {
		return progress{
			found: true, observed: set.Status.ObservedGeneration >= set.Generation, wanted: *set.Spec.Replicas,
			current: set.Status.Replicas, updated: set.Status.UpdatedReplicas, ready: set.Status.ReadyReplicas,
		}
	}
	if deployment := observed.Named(seen.Deployments, component); deployment != nil {
		return progress{
			found: true, observed: deployment.Status.ObservedGeneration >= deployment.Generation, wanted: *deployment.Spec.Replicas,
			current: deployment.Status.Replicas, updated: deployment.Status.UpdatedReplicas, ready: deployment.Status.ReadyReplicas,
		}
	}
	return progress{}
}

// refusedPods says why a component's controller cannot make pods: a quota, for
// example, or an admission webhook of the management cluster.
func refusedPods(seen *observed.Tenant, component string) (reason, message string) {
	if set := observed.Named(seen.StatefulSets, component); set != nil {
		if event := newest(seen.FailedCreates, set); event != nil {
			return event.Reason, "StatefulSet " + component + ": " + conditions.FirstLine(event.Message)
		}
	}
	if deployment := observed.Named(seen.Deployments, component); deployment != nil {
		for _, condition := range deployment.Status.Conditions {
			if condition.Type == appsv1.DeploymentReplicaFailure && condition.Status == corev1.ConditionTrue {
				return condition.Reason, "Deployment " + component + ": " + conditions.FirstLine(condition.Message)
			}
		}
	}
	return "", ""
}

func newest(events []*corev1.Event, set *appsv1.StatefulSet) *corev1.Event {
	var last *corev1.Event
	for _, event := range events {
		if event.InvolvedObject.UID == set.UID && (last == nil || last.LastTimestamp.Before(&event.LastTimestamp)) {
			last = event
		}
	}
	return last
}
