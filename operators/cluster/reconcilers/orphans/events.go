package orphans

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"

	"slipway.dev/operators/cluster/observed"
)

// orphaned sends an event that a namespace is being removed, and why.
func orphaned(recorder events.EventRecorder, namespace *corev1.Namespace, id observed.Identity) {
	recorder.Eventf(namespace, nil, corev1.EventTypeWarning, "Orphaned", "Remove",
		"TenantCluster %s/%s is gone and has left this namespace behind; it is removed", id.Namespace, id.Name)
}
