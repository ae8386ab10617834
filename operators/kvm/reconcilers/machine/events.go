package machine

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"slipway.dev/api/v1alpha1"
)

// Events tells the readers of events what has happened to Machines.
type Events struct {
	events.EventRecorder
}

func (e Events) drainTimedOut(machine *v1alpha1.Machine, why string) {
	e.Eventf(machine, nil, corev1.EventTypeWarning, "DrainTimedOut", "Drain", "Node was not drained in time: %s", why)
}

func (e Events) nodeLeft(machine *v1alpha1.Machine) {
	e.Eventf(machine, nil, corev1.EventTypeWarning, "NodeLeft", "Delete",
		"Tenant's API does not answer; Node %s may be left in it", machine.Name)
}

func (e Events) guestDidNotJoin(machine *v1alpha1.Machine, guest *kubevirtv1.VirtualMachineInstance, limit time.Duration) {
	e.Eventf(machine, guest, corev1.EventTypeWarning, "GuestDidNotJoin", "Restart",
		"Guest runs and did not become a Node within %s; it is started anew", limit)
}

func (e Events) nodeRestored(machine *v1alpha1.Machine) {
	e.Eventf(machine, nil, corev1.EventTypeNormal, "NodeRestored", "Create",
		"Node %s had been removed from the tenant; its Machine is there, and it is written again", machine.Name)
}

func (e Events) registriesNotShared(machine *v1alpha1.Machine, why string) {
	e.Eventf(machine, nil, corev1.EventTypeWarning, "RegistriesNotShared", "Update",
		"Workers have the registries' passwords and certificates that they booted with: %s", why)
}
