package nodepool

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"

	"slipway.dev/api/v1alpha1"
)

// Events tells the readers of events what was done about NodePools.
type Events struct {
	events.EventRecorder
}

func (e Events) machineCreated(pool *v1alpha1.NodePool, machine *v1alpha1.Machine) {
	e.Eventf(pool, machine, corev1.EventTypeNormal, "MachineCreated", "Create", "Created Machine %s", machine.Name)
}

func (e Events) machineDeleted(pool *v1alpha1.NodePool, machine *v1alpha1.Machine) {
	e.Eventf(pool, machine, corev1.EventTypeNormal, "MachineDeleted", "Delete", "Deleted Machine %s", machine.Name)
}
