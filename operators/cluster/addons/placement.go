package addons

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"slipway.dev/api/v1alpha1"
)

// criticalAddonsOnly is the taint of nodes that are kept for add-ons.
const criticalAddonsOnly = "CriticalAddonsOnly"

// Placement is where cluster DNS runs.
type Placement struct {
	// Replicas, of which no two run on one worker.
	Replicas int32
	// Tolerations of the pools' taints, by key and effect.
	Tolerations []corev1.Toleration
}

// PlacementOn is two replicas where two workers take them. Taints keep cluster
// DNS away as they do other pods, unless all workers have some: a cluster without
// names is of no use to the pods that tolerate them either.
func PlacementOn(pools []v1alpha1.NodePool) Placement {
	var open, tainted int32
	var tolerations []corev1.Toleration
	for _, pool := range pools {
		keepAway := tolerationsOf(pool.Spec.Template.Taints)
		switch {
		case pool.Spec.Replicas == nil || *pool.Spec.Replicas == 0:
		case len(keepAway) == 0:
			open += *pool.Spec.Replicas
		default:
			tainted += *pool.Spec.Replicas
			tolerations = append(tolerations, keepAway...)
		}
	}
	if open > 0 {
		return Placement{Replicas: min(open, 2)}
	}
	slices.SortFunc(tolerations, func(a, b corev1.Toleration) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Effect, b.Effect))
	})
	return Placement{Replicas: max(1, min(tainted, 2)), Tolerations: slices.Compact(tolerations)}
}

// tolerationsOf are what a pod needs to run in spite of taints that would keep it away.
func tolerationsOf(taints []v1alpha1.NodeTaint) []corev1.Toleration {
	var tolerations []corev1.Toleration
	for _, taint := range taints {
		if taint.Effect != corev1.TaintEffectPreferNoSchedule && taint.Key != criticalAddonsOnly {
			tolerations = append(tolerations, corev1.Toleration{Key: taint.Key, Operator: corev1.TolerationOpExists, Effect: taint.Effect})
		}
	}
	return tolerations
}
