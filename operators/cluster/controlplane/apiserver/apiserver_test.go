package apiserver_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/golden"
	"slipway.dev/operators/cluster/controlplane/apiserver"
	"slipway.dev/operators/cluster/controlplane/controlplanetest"
)

func TestObjects(t *testing.T) {
	tenant := controlplanetest.Tenant()
	set, err := apiserver.StatefulSet(tenant)
	if err != nil {
		t.Fatal(err)
	}
	golden.Objects(t, "default", apiserver.Service(tenant), set)

	tenant.Spec.ControlPlane.Replicas = 3
	tenant.Spec.Network.NodeCIDR = "10.1.2.128/26"
	tenant.Spec.Exposure.Type = v1alpha1.ExposureLoadBalancer
	tenant.Spec.ControlPlane.Resources.Limits.Memory = new(resource.MustParse("1Gi"))
	if set, err = apiserver.StatefulSet(tenant); err != nil {
		t.Fatal(err)
	}
	golden.Objects(t, "three", apiserver.Service(tenant), set)
}

// Every API server advertises its own address: what the StatefulSet makes of
// its ordinal is what its NetworkPort asks for, wherever nodeCIDR begins.
func TestReplicasAdvertiseTheirOwnAddresses(t *testing.T) {
	for _, nodeCIDR := range []v1alpha1.CIDR{"10.200.0.0/24", "10.200.0.64/26", "10.200.0.128/26", "10.200.0.192/26", "10.0.0.0/16"} {
		tenant := controlplanetest.Tenant()
		tenant.Spec.ControlPlane.Replicas = apiserver.MaxReplicas
		tenant.Spec.Network.NodeCIDR = nodeCIDR
		set, err := apiserver.StatefulSet(tenant)
		if err != nil {
			t.Fatal(err)
		}
		replicas, err := apiserver.Replicas(tenant)
		if err != nil {
			t.Fatal(err)
		}
		command := set.Spec.Template.Spec.Containers[0].Command
		at := slices.IndexFunc(command, func(s string) bool { return strings.HasPrefix(s, "--advertise-address=") })
		for n, replica := range replicas {
			ordinal := int(*set.Spec.Ordinals.Start) + n
			advertised := strings.TrimPrefix(strings.ReplaceAll(command[at], "$(POD_INDEX)", fmt.Sprint(ordinal)), "--advertise-address=")
			if advertised != replica.Address.String() {
				t.Errorf("%s, replica %d: advertises %s, its port has %s", nodeCIDR, n, advertised, replica.Address)
			}
			if want := fmt.Sprintf("kube-apiserver-%d", ordinal); replica.PodName != want {
				t.Errorf("%s, replica %d: pod %s, its port is for %s", nodeCIDR, n, want, replica.PodName)
			}
		}
	}
}

func TestPodsRollWithTheirCertificates(t *testing.T) {
	hash := func(secret string) string {
		tenant := controlplanetest.Tenant()
		tenant.IssuedSecrets[secret] = "renewed"
		set, err := apiserver.StatefulSet(tenant)
		if err != nil {
			t.Fatal(err)
		}
		return set.Spec.Template.Annotations[v1alpha1.AnnotationPKIHash]
	}
	if hash(v1alpha1.SecretAPIServer) == hash(v1alpha1.SecretFrontProxyClient) {
		t.Error("the hash does not depend on the Secrets that the pod mounts")
	}
	if hash(v1alpha1.SecretScheduler) != hash(v1alpha1.SecretCA) {
		t.Error("the hash depends on Secrets that the pod does not mount")
	}
}

func TestServingNames(t *testing.T) {
	names, addresses, err := apiserver.ServingNames(controlplanetest.Tenant(), "192.0.2.1", "api.demo.team.example.com.", "192.0.2.1", "")
	if err != nil {
		t.Fatal(err)
	}
	golden.Objects(t, "names", map[string][]string{"dnsNames": names, "ipAddresses": addresses})
}

// An API server with more memory works on more requests at once, and its heap
// ends below its limit.
func TestRequestsInFlightFollowMemory(t *testing.T) {
	for limit, want := range map[string][]string{
		"64Mi":  {"--max-requests-inflight=40", "--max-mutating-requests-inflight=20", "GOMEMLIMIT=57MiB"},
		"4Gi":   {"--max-requests-inflight=400", "--max-mutating-requests-inflight=200", "GOMEMLIMIT=3686MiB"},
		"128Gi": {"--max-requests-inflight=2000", "--max-mutating-requests-inflight=1000", "GOMEMLIMIT=117964MiB"},
	} {
		tenant := controlplanetest.Tenant()
		tenant.Spec.ControlPlane.Resources.Limits.Memory = new(resource.MustParse(limit))
		set, err := apiserver.StatefulSet(tenant)
		if err != nil {
			t.Fatal(err)
		}
		container := set.Spec.Template.Spec.Containers[0]
		settings := container.Command
		for _, variable := range container.Env {
			if variable.Value != nil {
				settings = append(settings, *variable.Name+"="+*variable.Value)
			}
		}
		for _, setting := range want {
			if !slices.Contains(settings, setting) {
				t.Errorf("limit %s: no %s in %q", limit, setting, settings)
			}
		}
	}
}
