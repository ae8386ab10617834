package children_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/golden"
	"slipway.dev/operators/cluster/children"
	"slipway.dev/operators/cluster/controlplane/controlplanetest"
)

func TestChildren(t *testing.T) {
	tenant := controlplanetest.Tenant()
	tenant.Spec.Registries = []v1alpha1.Registry{{
		Host: "docker.io", Endpoint: "https://mirror.example.com", CASecretName: "mirror", CredentialsSecretName: "mirror",
	}}
	size := v1alpha1.MachineSize{Cores: 2, Memory: resource.MustParse("2Gi"), Disk: resource.MustParse("10Gi")}
	tenant.Spec.NodePools = []v1alpha1.ClusterNodePool{
		{Name: "a", Machine: size},
		{
			Name: "b", Machine: size, Replicas: new(int32(3)), Version: new(v1alpha1.KubernetesVersion("v1.36.2")),
			Labels: map[string]v1alpha1.NodeLabelValue{"example.com/zone": "b"},
			Taints: []v1alpha1.NodeTaint{{Key: "example.com/dedicated", Value: "b", Effect: corev1.TaintEffectNoSchedule}},
			Kubelet: &v1alpha1.KubeletSettings{
				MaxPods: new(int32(200)), Reserved: v1alpha1.KubeletReserved{Memory: "500Mi"},
				EvictionHard: map[string]v1alpha1.EvictionThreshold{"nodefs.available": "5%"},
			},
			DrainTimeoutSeconds: new(int32(600)),
		},
	}
	pki, err := children.TenantPKI(tenant, "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	ports, err := children.NetworkPorts(tenant)
	if err != nil {
		t.Fatal(err)
	}
	pools, err := children.NodePools(tenant)
	if err != nil {
		t.Fatal(err)
	}
	cluster := &v1alpha1.TenantCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "demo", UID: "some-uid"}}
	golden.Objects(t, "children", children.Namespace(cluster), children.TenantNetwork(tenant), pki,
		children.TenantDNS(tenant, "team", []string{"192.0.2.1"}), ports[0], pools[0], pools[1],
		children.ResourceQuota(tenant, nil))
}
