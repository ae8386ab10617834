package tenant

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/namespace"
)

// Why an object outside of hosted namespaces has no effect.
const (
	ReasonNotHosted  = "NotHosted"
	MessageNotHosted = "made outside of a hosted namespace; only the cluster-operator makes such objects, create a TenantCluster instead"
)

// Hosted returns the metadata of a hosted namespace; nil of any other: what is
// there counts for nothing, whoever made it.
func Hosted(ctx context.Context, reader client.Reader, name string) (*metav1.PartialObjectMetadata, error) {
	known, err := namespace.Get(ctx, reader, name)
	if err != nil || known == nil || !v1alpha1.IsHostedNamespace(known) {
		return nil, err
	}
	return known, nil
}
