package hostnetwork

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
)

// Events tells the readers of events what has happened to HostNetworks.
type Events struct {
	events.EventRecorder
}

// reported tells of a host that has become Ready, or no longer is. Nothing is
// known of one that is new, so it may well be Unknown for a while.
func (e Events) reported(host *v1alpha1.HostNetwork, ready metav1.Condition) {
	was := metav1.ConditionUnknown
	if before := meta.FindStatusCondition(host.Status.Conditions, v1alpha1.ConditionReady); before != nil {
		was = before.Status
	}
	switch ready.Status {
	case was:
	case metav1.ConditionTrue:
		e.Eventf(host, nil, corev1.EventTypeNormal, "HostReady", "Report", "Node is programmed, and its agent reports")
	default:
		e.Eventf(host, nil, corev1.EventTypeWarning, ready.Reason, "Report", "%s", conditions.FirstLine(ready.Message))
	}
}
