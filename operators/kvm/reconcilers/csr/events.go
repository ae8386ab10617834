package csr

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
	"slipway.dev/kit/tenantapi"
)

// Events tells the readers of events what was asked in the name of Machines.
type Events struct {
	events.EventRecorder
}

func (e Events) notApproved(machine *v1alpha1.Machine, request string, why error) {
	e.Eventf(machine, nil, corev1.EventTypeWarning, "CertificateNotApproved", "Approve",
		"Left %s pending: %s", conditions.FirstLine(request), conditions.FirstLine(why.Error()))
}

// notTaken has a reason of its own: of events that differ in their notes alone,
// only the first is written.
func (e Events) notTaken(machine *v1alpha1.Machine, refused *tenantapi.RefusedError) {
	_, why := refused.Explain()
	e.Eventf(machine, nil, corev1.EventTypeWarning, "ApprovalRefused", "Approve", "%s", why)
}
