package main

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func TestLosses(t *testing.T) {
	pod := func(uid types.UID, restarts int32, reason string) corev1.Pod {
		status := corev1.ContainerStatus{Name: "operator", RestartCount: restarts}
		if reason != "" {
			status.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{Reason: reason}
		}
		return corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: uid}, Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{status}}}
	}
	for name, test := range map[string]struct {
		before, after    corev1.Pod
		restarts, killed int32
	}{
		"nothing":                   {pod("a", 1, "Error"), pod("a", 1, "Error"), 0, 0},
		"restarts":                  {pod("a", 1, "Error"), pod("a", 3, "Error"), 2, 0},
		"for want of memory":        {pod("a", 0, ""), pod("a", 1, outOfMemory), 1, 1},
		"for want of memory before": {pod("a", 1, outOfMemory), pod("a", 1, outOfMemory), 0, 0},
		"another pod":               {pod("a", 0, ""), pod("b", 0, ""), 1, 0},
		"another pod that restarts": {pod("a", 0, ""), pod("b", 1, outOfMemory), 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			restarts, killed := losses([]corev1.Pod{test.before}, []corev1.Pod{test.after})
			if restarts != test.restarts || killed != test.killed {
				t.Errorf("%d restarts, %d for want of memory; want %d and %d", restarts, killed, test.restarts, test.killed)
			}
		})
	}
}
