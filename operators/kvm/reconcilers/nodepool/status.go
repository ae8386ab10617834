package nodepool

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	slipway "slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
)

func status(nodePool *slipway.NodePool, hash string, machines []slipway.Machine) *slipwayac.NodePoolApplyConfiguration {
	var replicas, ready int32
	for _, machine := range machines {
		if machine.DeletionTimestamp != nil {
			continue
		}
		replicas++
		if meta.IsStatusConditionTrue(machine.Status.Conditions, slipway.ConditionReady) {
			ready++
		}
	}
	selector := labels.SelectorFromSet(labels.Set{slipway.LabelPool: nodePool.Name})
	return slipwayac.NodePool(nodePool.Name, nodePool.Namespace).WithStatus(slipwayac.NodePoolStatus().
		WithObservedGeneration(nodePool.Generation).
		WithReplicas(replicas).
		WithReadyReplicas(ready).
		WithSelector(selector.String()).
		WithConditions(conditions.Apply(nodePool.Status.Conditions, nodePool.Generation, readyCondition(nodePool, hash, machines))...))
}

// readyCondition is True when the pool has the Machines it wants and
// all are ready, whether or not others still leave; otherwise it names the
// first Machine, by name, that is in the way.
func readyCondition(nodePool *slipway.NodePool, hash string, machines []slipway.Machine) metav1.Condition {
	slices.SortFunc(machines, func(a, b slipway.Machine) int { return strings.Compare(a.Name, b.Name) })
	current := 0
	var blocking, replaced *slipway.Machine
	for i := range machines {
		machine := &machines[i]
		switch {
		case machine.DeletionTimestamp != nil:
			continue
		case outdated(machine, hash):
			replaced = first(replaced, machine)
			continue
		}
		current++
		if !meta.IsStatusConditionTrue(machine.Status.Conditions, slipway.ConditionReady) {
			blocking = first(blocking, machine)
		}
	}
	switch {
	case nodePool.DeletionTimestamp != nil && len(machines) > 0:
		return conditions.False(slipway.ConditionReady, "Deleting", because(&machines[0]))
	case blocking != nil:
		return conditions.False(slipway.ConditionReady, reason(blocking), because(blocking))
	case replaced != nil:
		return conditions.False(slipway.ConditionReady, "Replacing", "Machine "+replaced.Name+" is to be replaced")
	case current != size(nodePool):
		return conditions.False(slipway.ConditionReady, "Scaling", fmt.Sprintf("%d of %d Machines exist", current, size(nodePool)))
	}
	return conditions.True(slipway.ConditionReady, "Ready", "")
}

func first(a, b *slipway.Machine) *slipway.Machine {
	if a != nil {
		return a
	}
	return b
}

func reason(machine *slipway.Machine) string {
	if ready := meta.FindStatusCondition(machine.Status.Conditions, slipway.ConditionReady); ready != nil {
		return ready.Reason
	}
	return "MachineCreated"
}

func because(machine *slipway.Machine) string {
	ready := meta.FindStatusCondition(machine.Status.Conditions, slipway.ConditionReady)
	if ready == nil || ready.Message == "" {
		return "Machine " + machine.Name
	}
	return "Machine " + machine.Name + ": " + ready.Message
}
