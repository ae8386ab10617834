package desired

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/observed"
)

// startupBoost is how long a pod may have more CPU time than those that run. A
// control plane that has not come up by then has other troubles.
const startupBoost = 2 * time.Minute

// Resizes are those of the pods of a control plane, and next is how long until
// time makes others; zero when it makes none. Those that are ready keep what they
// have until all are: the others start with their help.
func Resizes(seen *observed.Tenant, config Config, now time.Time) (resizes []*corev1ac.PodApplyConfiguration, next time.Duration) {
	t := tenant(seen, config)
	starting := startingFirstTime(seen)
	for _, pod := range seen.Pods {
		left := time.Duration(0)
		if starting {
			left = max(0, startupBoost-now.Sub(scheduledAt(pod)))
		}
		if left > 0 && (next == 0 || left < next) {
			next = left
		}
		if resize := t.Resize(pod, left > 0); resize != nil {
			resizes = append(resizes, resize)
		}
	}
	return resizes, next
}

// startingFirstTime reports whether a control plane is being created and has what
// its pods need to get ready. While one of them waits for room, or for an etcd
// that does, those that have it must not take more of it from others.
func startingFirstTime(seen *observed.Tenant) bool {
	operation := seen.Cluster.Status.Operation
	if operation == nil || operation.Type != v1alpha1.OperationCreate {
		return false
	}
	ready, pods := true, map[string]int32{}
	for _, pod := range seen.Pods {
		if !isTrue(pod, corev1.PodScheduled) || pod.DeletionTimestamp != nil {
			return false
		}
		ready = ready && isTrue(pod, corev1.PodReady)
		pods[pod.Labels[controlplane.LabelComponent]]++
	}
	for _, component := range controlplane.Components {
		ready = ready && pods[component] > 0
	}
	return !ready && pods[controlplane.Etcd] >= seen.Cluster.Spec.ControlPlane.Etcd.Replicas
}

func isTrue(pod *corev1.Pod, conditionType corev1.PodConditionType) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == conditionType && c.Status == corev1.ConditionTrue
	})
}

// scheduledAt is when a pod that has a node got it.
func scheduledAt(pod *corev1.Pod) time.Time {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled {
			return c.LastTransitionTime.Time
		}
	}
	return time.Time{}
}
