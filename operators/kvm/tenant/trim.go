package tenant

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/kit/conditions"
)

// trimNode keeps of a tenant's Node what is read here. Its admin may make any
// number of them, as long as the API server allows.
func trimNode(o any) (any, error) {
	node, ok := o.(*corev1.Node)
	if !ok {
		return o, nil
	}
	trimmed := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: node.Name, UID: node.UID, ResourceVersion: node.ResourceVersion, DeletionTimestamp: node.DeletionTimestamp,
		},
		Spec: corev1.NodeSpec{PodCIDR: node.Spec.PodCIDR, Unschedulable: node.Spec.Unschedulable},
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			trimmed.Status.Conditions = []corev1.NodeCondition{{
				Type: condition.Type, Status: condition.Status, LastHeartbeatTime: condition.LastHeartbeatTime,
				Message: conditions.FirstLine(condition.Message),
			}}
			break
		}
	}
	return trimmed, nil
}

// trimRequest keeps the name of a certificate signing request.
func trimRequest(o any) (any, error) {
	request, ok := o.(*metav1.PartialObjectMetadata)
	if !ok {
		return o, nil
	}
	return &metav1.PartialObjectMetadata{
		TypeMeta:   request.TypeMeta,
		ObjectMeta: metav1.ObjectMeta{Name: request.Name, UID: request.UID, ResourceVersion: request.ResourceVersion},
	}, nil
}
