package addons_test

import (
	"testing"

	"slipway.dev/kit/golden"
	"slipway.dev/operators/cluster/addons"
)

func TestRBAC(t *testing.T) {
	golden.Objects(t, "rbac", toAny(addons.RBAC())...)
}

func TestClusterDNS(t *testing.T) {
	objects := addons.ClusterDNS(addons.DNS{
		Image: "registry.example.com/coredns:v1.15.0", Domain: "cluster.local", IssuerHost: "some-uid.kubernetes.default.svc.cluster.local",
		Address: "10.96.0.10", Replicas: 1,
	})
	golden.Objects(t, "coredns", toAny(objects)...)
}

func toAny[T any](objects []T) []any {
	result := make([]any, len(objects))
	for n, object := range objects {
		result[n] = object
	}
	return result
}
