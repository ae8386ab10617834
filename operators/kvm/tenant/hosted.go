package tenant

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
)

// Why an object outside of hosted namespaces has no effect.
const (
	ReasonNotHosted  = "NotHosted"
	MessageNotHosted = "made outside of a hosted namespace; only the cluster-operator makes such objects, create a TenantCluster instead"
)

// Hosted reports whether a namespace is a hosted one: what is elsewhere counts
// for nothing, whoever made it.
func Hosted(ctx context.Context, reader client.Reader, name string) (bool, error) {
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	err := reader.Get(ctx, client.ObjectKey{Name: name}, namespace)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("get Namespace %s: %w", name, err)
	}
	return err == nil && v1alpha1.IsHostedNamespace(namespace), nil
}
