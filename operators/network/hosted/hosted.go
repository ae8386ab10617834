// Package hosted tells where child objects count: in hosted namespaces. Anybody
// else's, however well they are formed, would take numbers and addresses.
package hosted

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
)

// Namespace is an empty Namespace of which only the metadata are read.
func Namespace() *metav1.PartialObjectMetadata {
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return namespace
}

// Ask tells whether a namespace is hosted; an error that is NotFound means that
// nothing is known of it yet.
func Ask(ctx context.Context, reader client.Reader, name string) (bool, error) {
	namespace := Namespace()
	if err := reader.Get(ctx, client.ObjectKey{Name: name}, namespace); err != nil {
		return false, fmt.Errorf("get Namespace: %w", err)
	}
	return v1alpha1.IsHostedNamespace(namespace), nil
}

// Refusal is the condition of an object that does not count.
func Refusal(kind, namespace string) metav1.Condition {
	return conditions.False(v1alpha1.ConditionReady, "NotHosted", fmt.Sprintf(
		"namespace %s is not the hosted namespace of a TenantCluster; a %s is made by the cluster-operator: make a TenantCluster instead", namespace, kind))
}
