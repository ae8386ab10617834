package tenant

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/namespace"
)

// Why an object outside of hosted namespaces has no effect.
const (
	ReasonNotHosted  = "NotHosted"
	MessageNotHosted = "made outside of a hosted namespace; only the cluster-operator makes such objects, create a TenantCluster instead"
)

// Hosted reports whether a namespace is a hosted one: what is elsewhere counts
// for nothing, whoever made it.
func Hosted(ctx context.Context, reader client.Reader, name string) (bool, error) {
	known, err := namespace.Get(ctx, reader, name)
	return known != nil && v1alpha1.IsHostedNamespace(known), err
}
