// Package drain decides which pods have to leave a Node before its machine goes.
package drain

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Remaining are those of a Node's pods that run and have to leave: all but those
// that a DaemonSet would put right back, or that exist only on the Node itself.
// They have only what tells one from another. Sorted by namespace and name.
func Remaining(pods []metav1.PartialObjectMetadata) []corev1.Pod {
	var remaining []corev1.Pod
	for _, pod := range pods {
		if _, mirror := pod.Annotations[corev1.MirrorPodAnnotationKey]; mirror || ofDaemonSet(&pod) {
			continue
		}
		remaining = append(remaining, corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID, DeletionTimestamp: pod.DeletionTimestamp,
		}})
	}
	slices.SortFunc(remaining, func(a, b corev1.Pod) int { return strings.Compare(key(a), key(b)) })
	return remaining
}

func ofDaemonSet(pod *metav1.PartialObjectMetadata) bool {
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
