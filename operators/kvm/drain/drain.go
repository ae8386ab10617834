// Package drain decides which pods have to leave a Node before its machine goes.
package drain

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Remaining are the pods that still have to leave: all but those that a
// DaemonSet would put right back, that exist only on the Node itself, or that
// have ended. Sorted by namespace and name.
func Remaining(pods []corev1.Pod) []corev1.Pod {
	var remaining []corev1.Pod
	for _, pod := range pods {
		if _, mirror := pod.Annotations[corev1.MirrorPodAnnotationKey]; mirror || Ended(&pod) || ofDaemonSet(&pod) {
			continue
		}
		remaining = append(remaining, pod)
	}
	slices.SortFunc(remaining, func(a, b corev1.Pod) int { return strings.Compare(key(a), key(b)) })
	return remaining
}

// Ended is true of a pod whose containers will not run again.
func Ended(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

func ofDaemonSet(pod *corev1.Pod) bool {
	owner := metav1.GetControllerOf(pod)
	return owner != nil && owner.Kind == "DaemonSet"
}

// Describe names the pods for a condition's message; refused holds what the
// API said about pods, by namespace/name, that it did not evict.
func Describe(remaining []corev1.Pod, refused map[string]string) string {
	const shown = 3
	var names []string
	for _, pod := range remaining[:min(shown, len(remaining))] {
		name := key(pod)
		if why := refused[name]; why != "" {
			name += " (" + why + ")"
		}
		names = append(names, name)
	}
	if more := len(remaining) - shown; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

func key(pod corev1.Pod) string { return pod.Namespace + "/" + pod.Name }
