package virtualmachine_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"slipway.dev/operators/kvm/virtualmachine"
)

func TestGuestRunning(t *testing.T) {
	vm := func(status kubevirtv1.VirtualMachinePrintableStatus) *kubevirtv1.VirtualMachine {
		return &kubevirtv1.VirtualMachine{
			ObjectMeta: metav1.ObjectMeta{Name: "a-bcdfg"},
			Status:     kubevirtv1.VirtualMachineStatus{PrintableStatus: status},
		}
	}
	vmi := func(phase kubevirtv1.VirtualMachineInstancePhase, conditions ...kubevirtv1.VirtualMachineInstanceCondition) *kubevirtv1.VirtualMachineInstance {
		return &kubevirtv1.VirtualMachineInstance{Status: kubevirtv1.VirtualMachineInstanceStatus{Phase: phase, NodeName: "node-1", Conditions: conditions}}
	}
	evacuating := vmi(kubevirtv1.Running)
	evacuating.Status.EvacuationNodeName = "node-1"
	stopping := vmi(kubevirtv1.Running)
	stopping.DeletionTimestamp = &metav1.Time{}

	for name, test := range map[string]struct {
		vm                      *kubevirtv1.VirtualMachine
		vmi                     *kubevirtv1.VirtualMachineInstance
		status, reason, message string
	}{
		"not created": {nil, nil, "False", "NotCreated", "waits for the NetworkPort and the bootstrap data"},
		"new":         {vm(""), nil, "False", "Starting", "VirtualMachine a-bcdfg is Starting"},
		"running":     {vm("Running"), vmi(kubevirtv1.Running), "True", "Running", "on node node-1"},
		"evacuating":  {vm("Running"), evacuating, "True", "Evacuating", "asked to leave node node-1"},
		"stopping":    {vm("Stopping"), stopping, "False", "Stopping", "VirtualMachine a-bcdfg is Stopping"},
		"no image": {
			vm("ErrImagePull"), vmi(kubevirtv1.Scheduling, kubevirtv1.VirtualMachineInstanceCondition{
				Type: kubevirtv1.VirtualMachineInstanceSynchronized, Status: corev1.ConditionFalse, Reason: "ErrImagePull", Message: "guest:v1 not found",
			}), "False", "ErrImagePull", "VirtualMachine a-bcdfg: guest:v1 not found",
		},
		"no room": {
			vm("ErrorUnschedulable"), vmi(kubevirtv1.Scheduling, kubevirtv1.VirtualMachineInstanceCondition{
				Type: "PodScheduled", Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/1 nodes are available: 1 Insufficient memory.",
			}), "False", "ErrorUnschedulable", "VirtualMachine a-bcdfg: 0/1 nodes are available: 1 Insufficient memory.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := virtualmachine.GuestRunning(test.vm, test.vmi)
			want := metav1.Condition{Type: "GuestRunning", Status: metav1.ConditionStatus(test.status), Reason: test.reason, Message: test.message}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("condition (-want +got):\n%s", diff)
			}
		})
	}
}
