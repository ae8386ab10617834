package addons_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"slipway.dev/kit/golden"
	"slipway.dev/operators/cluster/addons"
)

func TestRBAC(t *testing.T) {
	golden.Objects(t, "rbac", toAny(addons.RBAC())...)
}

func TestNetworkPoliciesWhereWorkersEnforceThem(t *testing.T) {
	with, without := addons.Objects(addons.Settings{NetworkPolicies: true}), addons.Objects(addons.Settings{})
	golden.Objects(t, "policies", toAny(with[len(addons.RBAC()):][:len(with)-len(without)])...)
}

func TestClusterDNS(t *testing.T) {
	objects := addons.ClusterDNS(addons.DNS{
		Image: "registry.example.com/coredns:v1.15.0", Domain: "cluster.local", IssuerHost: "some-uid.kubernetes.default.svc.cluster.local",
		Address: "10.96.0.10",
		Placement: addons.Placement{Replicas: 2, Tolerations: []corev1.Toleration{
			{Key: "team", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute},
		}},
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
