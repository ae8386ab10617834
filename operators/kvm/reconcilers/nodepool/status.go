package nodepool

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
	"slipway.dev/operators/kvm/tenant"
)

func status(nodePool *v1alpha1.NodePool, machines []v1alpha1.Machine, isReady metav1.Condition) *slipwayac.NodePoolApplyConfiguration {
	var replicas, ready int32
	for _, machine := range machines {
		if machine.DeletionTimestamp != nil {
			continue
		}
		replicas++
		if meta.IsStatusConditionTrue(machine.Status.Conditions, v1alpha1.ConditionReady) {
			ready++
		}
	}
	selector := labels.SelectorFromSet(labels.Set{v1alpha1.LabelPool: nodePool.Name})
	return slipwayac.NodePool(nodePool.Name, nodePool.Namespace).WithStatus(slipwayac.NodePoolStatus().
		WithObservedGeneration(nodePool.Generation).
		WithReplicas(replicas).
		WithReadyReplicas(ready).
		WithSelector(selector.String()).
		WithConditions(conditions.Apply(nodePool.Status.Conditions, nodePool.Generation, isReady)...))
}

// notHosted is the status of a pool that somebody has made where it counts for nothing.
func notHosted(nodePool *v1alpha1.NodePool) *slipwayac.NodePoolApplyConfiguration {
	ready := conditions.False(v1alpha1.ConditionReady, tenant.ReasonNotHosted, tenant.MessageNotHosted)
	return slipwayac.NodePool(nodePool.Name, nodePool.Namespace).WithStatus(slipwayac.NodePoolStatus().
		WithObservedGeneration(nodePool.Generation).
		WithConditions(conditions.Apply(nodePool.Status.Conditions, nodePool.Generation, ready)...))
}

// readyCondition is True when the pool has the Machines it wants, all are ready,
// and none is left that the spec no longer wants: one beyond the number of
// replicas, or of another template. Otherwise it names the first Machine, by name,
// that is in the way. One of the present template that still leaves because
// somebody deleted it, or because its management node is being emptied, does not
// count: another has taken its place, and nothing of the spec waits for it.
func readyCondition(nodePool *v1alpha1.NodePool, hash string, machines []v1alpha1.Machine) metav1.Condition {
	slices.SortFunc(machines, func(a, b v1alpha1.Machine) int { return strings.Compare(a.Name, b.Name) })
	current := 0
	var blocking, replaced, leaving, going *v1alpha1.Machine
	for i := range machines {
		machine := &machines[i]
		if machine.DeletionTimestamp != nil {
			going = first(going, machine)
		}
		switch {
		case machine.DeletionTimestamp != nil && unwanted(machine, hash):
			leaving = first(leaving, machine)
			continue
		case machine.DeletionTimestamp != nil:
			continue
		case outdated(machine, hash):
			replaced = first(replaced, machine)
			continue
		}
		current++
		if meta.IsStatusConditionTrue(machine.Status.Conditions, v1alpha1.ConditionReady) {
			continue
		}
		// What is known to be wrong goes before what is not known.
		if blocking == nil || unknown(blocking) && !unknown(machine) {
			blocking = machine
		}
	}
	switch {
	case nodePool.DeletionTimestamp != nil && len(machines) > 0:
		return conditions.False(v1alpha1.ConditionReady, "Deleting", because(&machines[0]))
	case blocking != nil && unknown(blocking):
		return conditions.Unknown(v1alpha1.ConditionReady, reason(blocking), because(blocking))
	case blocking != nil:
		return conditions.False(v1alpha1.ConditionReady, reason(blocking), because(blocking))
	case replaced != nil:
		return conditions.False(v1alpha1.ConditionReady, "Replacing", "Machine "+replaced.Name+" is to be replaced"+beside(going))
	case current != size(nodePool):
		return conditions.False(v1alpha1.ConditionReady, "Scaling", fmt.Sprintf("%d of %d Machines exist", current, size(nodePool))+beside(going))
	case leaving != nil:
		return conditions.False(v1alpha1.ConditionReady, "Removing", because(leaving))
	}
	return conditions.True(v1alpha1.ConditionReady, "Ready", "")
}

// unwanted is true of a Machine that goes because of the pool's spec.
func unwanted(machine *v1alpha1.Machine, hash string) bool {
	return machine.Annotations[v1alpha1.AnnotationMachineHash] != hash || machine.Annotations[v1alpha1.AnnotationMachineSurplus] != ""
}

func unknown(machine *v1alpha1.Machine) bool {
	return meta.IsStatusConditionPresentAndEqual(machine.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionUnknown)
}

func first(a, b *v1alpha1.Machine) *v1alpha1.Machine {
	if a != nil {
		return a
	}
	return b
}

func reason(machine *v1alpha1.Machine) string {
	if ready := meta.FindStatusCondition(machine.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		return ready.Reason
	}
	return "MachineCreated"
}

// beside names a Machine that leaves, for whose end the next one may have to wait.
func beside(going *v1alpha1.Machine) string {
	if going == nil {
		return ""
	}
	return "; " + because(going)
}

func because(machine *v1alpha1.Machine) string {
	ready := meta.FindStatusCondition(machine.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.Message == "" {
		return "Machine " + machine.Name
	}
	return "Machine " + machine.Name + ": " + ready.Message
}
