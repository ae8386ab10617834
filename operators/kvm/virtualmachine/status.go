package virtualmachine

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
)

// ReasonEvacuating is the reason of a guest that runs and has been asked to
// leave its management node.
const ReasonEvacuating = "Evacuating"

// GuestRunning is the condition of that name. vm and vmi may be nil.
func GuestRunning(vm *kubevirtv1.VirtualMachine, vmi *kubevirtv1.VirtualMachineInstance) metav1.Condition {
	switch {
	case vm == nil:
		return conditions.False(v1alpha1.ConditionGuestRunning, "NotCreated", "waits for the NetworkPort and the bootstrap data")
	case vmi != nil && vmi.DeletionTimestamp == nil && vmi.Status.Phase == kubevirtv1.Running && vmi.Status.EvacuationNodeName != "":
		return conditions.True(v1alpha1.ConditionGuestRunning, ReasonEvacuating, "asked to leave node "+vmi.Status.EvacuationNodeName)
	case vmi != nil && vmi.DeletionTimestamp == nil && vmi.Status.Phase == kubevirtv1.Running:
		return conditions.True(v1alpha1.ConditionGuestRunning, "Running", "on node "+vmi.Status.NodeName)
	}
	reason := string(vm.Status.PrintableStatus)
	if reason == "" {
		reason = "Starting"
	}
	message := "VirtualMachine " + vm.Name + " is " + reason
	if why := problem(vm, vmi); why != "" {
		message = "VirtualMachine " + vm.Name + ": " + why
	}
	return conditions.False(v1alpha1.ConditionGuestRunning, reason, message)
}

// problem is what KubeVirt says of its virtual machine in its conditions, the
// most telling first; empty when it says nothing.
func problem(vm *kubevirtv1.VirtualMachine, vmi *kubevirtv1.VirtualMachineInstance) string {
	if vmi != nil {
		for _, conditionType := range []kubevirtv1.VirtualMachineInstanceConditionType{
			kubevirtv1.VirtualMachineInstanceSynchronized, // images, networks, volumes
			kubevirtv1.VirtualMachineInstanceConditionType(corev1.PodScheduled),
		} {
			for _, c := range vmi.Status.Conditions {
				if c.Type == conditionType && c.Status == corev1.ConditionFalse && c.Message != "" {
					return c.Message
				}
			}
		}
	}
	for _, c := range vm.Status.Conditions {
		if c.Type == kubevirtv1.VirtualMachineFailure && c.Status == corev1.ConditionTrue {
			return c.Message
		}
	}
	return ""
}
