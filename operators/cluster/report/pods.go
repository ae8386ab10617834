package report

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"slipway.dev/kit/conditions"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/observed"
)

// blocker finds what keeps a component from being ready: its first pod that is
// not, or why it has no pod.
func blocker(seen *observed.Tenant, component string, progress progress) (reason, message string) {
	pods := slices.DeleteFunc(slices.Clone(seen.Pods), func(pod *corev1.Pod) bool {
		return pod.Labels[controlplane.LabelComponent] != component
	})
	slices.SortFunc(pods, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	for _, pod := range pods {
		if reason, message := podBlocker(pod, seen.Claims); message != "" {
			return reason, message
		}
	}
	if int32(len(pods)) < progress.wanted {
		return refusedPods(seen, component)
	}
	return "", ""
}

func podBlocker(pod *corev1.Pod, claims []*corev1.PersistentVolumeClaim) (reason, message string) {
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
			return waiting.Reason, join(name, strings.TrimSpace(waiting.Reason+" "+lastExit(status)+conditions.FirstLine(waiting.Message)), waiting.Reason)
		case status.State.Terminated != nil:
			return "Terminated", name + ": " + exit(status.State.Terminated)
		}
	}
	return "Starting", name + ": is starting"
}

// exit says how a container ended, and what it said at the end.
func exit(terminated *corev1.ContainerStateTerminated) string {
	text := fmt.Sprintf("exited with code %d", terminated.ExitCode)
	if terminated.Reason != "" && terminated.Reason != "Error" && terminated.Reason != "Completed" {
		text += " (" + terminated.Reason + ")"
	}
	if last := lastLine(terminated.Message); last != "" {
		text += ": " + last
	}
	return text
}

func lastExit(status corev1.ContainerStatus) string {
	last := status.LastTerminationState.Terminated
	if last == nil {
		return ""
	}
	text := fmt.Sprintf("(last exit code %d) ", last.ExitCode)
	if said := lastLine(last.Message); said != "" {
		text = fmt.Sprintf("(last exit code %d: %s) ", last.ExitCode, said)
	}
	return text
}

// lastLine is where a process that fails says why.
func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return conditions.FirstLine(text[strings.LastIndex(text, "\n")+1:])
}

func pendingClaim(pod *corev1.Pod, claims []*corev1.PersistentVolumeClaim) string {
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
