package report

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
	"slipway.dev/operators/cluster/controlplane"
)

// ControlPlane is True when every component has the replicas it wants.
// Otherwise its message names the object that blocks: the first pod with a
// problem, in the order in which components start.
func ControlPlane(state State) metav1.Condition {
	const conditionType = v1alpha1.ConditionControlPlaneReady
	for _, component := range []string{controlplane.Etcd, controlplane.APIServer, controlplane.ControllerManager, controlplane.Scheduler} {
		wanted, ready, found := replicas(state.Workload, component)
		if found && ready >= wanted {
			continue
		}
		if reason, message := blocker(state.Workload, component); message != "" {
			return conditions.False(conditionType, reason, message)
		}
		if state.Waiting != "" {
			return conditions.False(conditionType, ReasonWaiting, state.Waiting)
		}
		return conditions.False(conditionType, ReasonProgressing, fmt.Sprintf("%s: %d of %d replicas are ready", component, ready, max(wanted, 1)))
	}
	if state.Waiting != "" {
		return conditions.False(conditionType, ReasonWaiting, state.Waiting)
	}
	if state.Kubeconfig == "" {
		return conditions.False(conditionType, ReasonProgressing, fmt.Sprintf("Service %s: no address from outside yet", controlplane.APIServer))
	}
	return conditions.True(conditionType, ReasonReady, "")
}

// APIServerReady tells whether a replica of the API server answers.
func APIServerReady(workload Workloads) bool {
	_, ready, _ := replicas(workload, controlplane.APIServer)
	return ready > 0
}

func replicas(workload Workloads, component string) (wanted, ready int32, found bool) {
	if set := statefulSet(workload, component); set != nil {
		wanted, ready = *set.Spec.Replicas, set.Status.ReadyReplicas
		if set.Status.ObservedGeneration < set.Generation {
			ready = min(ready, wanted-1)
		}
		return wanted, ready, true
	}
	for _, deployment := range workload.Deployments {
		if deployment.Name == component {
			wanted, ready = *deployment.Spec.Replicas, deployment.Status.ReadyReplicas
			return wanted, ready, true
		}
	}
	return 0, 0, false
}

func statefulSet(workload Workloads, component string) *appsv1.StatefulSet {
	for n := range workload.StatefulSets {
		if workload.StatefulSets[n].Name == component {
			return &workload.StatefulSets[n]
		}
	}
	return nil
}

// runningVersion is the spec's version once all API servers run it, and until
// then the version reported before.
func runningVersion(state State) string {
	set := statefulSet(state.Workload, controlplane.APIServer)
	if set == nil || set.Status.ObservedGeneration < set.Generation ||
		set.Status.UpdatedReplicas < *set.Spec.Replicas || set.Status.ReadyReplicas < *set.Spec.Replicas {
		return state.Cluster.Status.Version
	}
	return string(state.Cluster.Spec.Version)
}

// blocker finds the first pod of a component that is not ready, and why.
func blocker(workload Workloads, component string) (reason, message string) {
	pods := slices.Clone(workload.Pods)
	slices.SortFunc(pods, func(a, b corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	for _, pod := range pods {
		if pod.Labels[controlplane.LabelComponent] != component {
			continue
		}
		if reason, message := podBlocker(pod, workload.Claims); message != "" {
			return reason, message
		}
	}
	return "", ""
}

func podBlocker(pod corev1.Pod, claims []corev1.PersistentVolumeClaim) (reason, message string) {
	name := "Pod " + pod.Name
	if pod.DeletionTimestamp != nil {
		return "Terminating", name + ": is being replaced"
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
			message := fmt.Sprintf("%s: %s: %s", name, condition.Reason, condition.Message)
			if claim := pendingClaim(pod, claims); claim != "" {
				message += "; PersistentVolumeClaim " + claim + " is Pending"
			}
			return condition.Reason, message
		}
	}
	for _, status := range pod.Status.ContainerStatuses {
		switch {
		case status.Ready:
			return "", ""
		case status.State.Waiting != nil:
			waiting := status.State.Waiting
			return waiting.Reason, join(name, strings.TrimSpace(waiting.Reason+" "+lastExit(status)+firstLine(waiting.Message)), waiting.Reason)
		case status.State.Terminated != nil:
			return "Terminated", fmt.Sprintf("%s: exited with code %d", name, status.State.Terminated.ExitCode)
		}
	}
	return "Starting", name + ": is starting"
}

func lastExit(status corev1.ContainerStatus) string {
	if last := status.LastTerminationState.Terminated; last != nil {
		return fmt.Sprintf("(last exit code %d) ", last.ExitCode)
	}
	return ""
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

func pendingClaim(pod corev1.Pod, claims []corev1.PersistentVolumeClaim) string {
	for _, volume := range pod.Spec.Volumes {
		if volume.PersistentVolumeClaim == nil {
			continue
		}
		for _, claim := range claims {
			if claim.Name == volume.PersistentVolumeClaim.ClaimName && claim.Status.Phase == corev1.ClaimPending {
				return claim.Name
			}
		}
	}
	return ""
}
