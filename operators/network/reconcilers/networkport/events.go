package networkport

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
	"slipway.dev/operators/network/allocation"
)

// Events tells the readers of events what has happened to NetworkPorts.
type Events struct {
	events.EventRecorder
}

// reported tells of a port that is refused what it asks for, when it was not
// before, or for another reason.
func (e Events) reported(port *v1alpha1.NetworkPort, ready metav1.Condition) {
	before := meta.FindStatusCondition(port.Status.Conditions, v1alpha1.ConditionReady)
	if ready.Status == metav1.ConditionTrue || ready.Reason == allocation.ReasonNetworkNotReady || before != nil && before.Reason == ready.Reason {
		return
	}
	e.Eventf(port, nil, corev1.EventTypeWarning, ready.Reason, "Allocate", "%s", conditions.FirstLine(ready.Message))
}
