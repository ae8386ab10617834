package children_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/google/go-cmp/cmp"

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

func TestRegistrySecrets(t *testing.T) {
	tenant := controlplanetest.Tenant()
	tenant.Spec.Registries = []v1alpha1.Registry{
		{Host: "a.example.com", Endpoint: "https://m", CASecretName: "both", CredentialsSecretName: "both"},
		{Host: "b.example.com", Endpoint: "https://m", CASecretName: "both", CredentialsSecretName: "absent"},
		{Host: "c.example.com", Endpoint: "https://m", CASecretName: "empty"},
	}
	copies, problems := children.RegistrySecrets(tenant, map[string]*corev1.Secret{
		"both":  {Data: map[string][]byte{"ca.crt": []byte("pem"), "username": []byte("u"), "password": []byte("p"), "other": []byte("o")}},
		"empty": {},
	})
	got := map[string][]string{}
	for _, secret := range copies {
		for _, key := range []string{"ca.crt", "username", "password", "other"} {
			if _, ok := secret.Data[key]; ok {
				got[*secret.Name] = append(got[*secret.Name], key)
			}
		}
	}
	want := map[string][]string{"registry-ca-both": {"ca.crt"}, "registry-auth-both": {"username", "password"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("copies (-want +got):\n%s", diff)
	}
	wantProblems := []string{"Secret absent of registry b.example.com not found", "Secret empty of registry c.example.com has no key ca.crt"}
	if diff := cmp.Diff(wantProblems, problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// A Secret's name may be as long as names can be, and its copies have names nevertheless.
func TestRegistrySecretOfALongName(t *testing.T) {
	long, other := strings.Repeat("a", validation.DNS1123SubdomainMaxLength), "b"+strings.Repeat("a", validation.DNS1123SubdomainMaxLength-1)
	tenant := golden.Tenant()
	tenant.Spec.NodePools = []v1alpha1.ClusterNodePool{{Name: "a"}}
	tenant.Spec.Registries = []v1alpha1.Registry{
		{Host: "a.example.com", Endpoint: "https://m", CASecretName: long, CredentialsSecretName: long},
		{Host: "b.example.com", Endpoint: "https://m", CASecretName: other},
	}
	source := &corev1.Secret{Data: map[string][]byte{"ca.crt": []byte("pem"), "username": []byte("u"), "password": []byte("p")}}
	copies, problems := children.RegistrySecrets(tenant, map[string]*corev1.Secret{long: source, other: source})
	if len(copies) != 3 || len(problems) > 0 {
		t.Errorf("%d copies, problems %q", len(copies), problems)
	}
	names := map[string]bool{}
	for _, secret := range copies {
		names[*secret.Name] = true
		if wrong := validation.IsDNS1123Subdomain(*secret.Name); len(wrong) > 0 {
			t.Errorf("name %s: %q", *secret.Name, wrong)
		}
	}
	pools, err := children.NodePools(tenant)
	if err != nil {
		t.Fatal(err)
	}
	for _, registry := range pools[0].Spec.Template.Cluster.Registries {
		if !names[*registry.CASecretName] || registry.CredentialsSecretName != nil && !names[*registry.CredentialsSecretName] {
			t.Errorf("machines of registry %s look for Secrets that are not there", *registry.Host)
		}
	}
}
