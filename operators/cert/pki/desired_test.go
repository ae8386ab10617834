package pki

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"slipway.dev/api/v1alpha1"
)

func tenantPKI(mutate ...func(*v1alpha1.TenantPKI)) *v1alpha1.TenantPKI {
	tenant := &v1alpha1.TenantPKI{
		ObjectMeta: metav1.ObjectMeta{Name: "demo", Namespace: "tenant-demo-0a1b2c3d", UID: "7d5f", Generation: 3},
		Spec: v1alpha1.TenantPKISpec{
			APIServer: v1alpha1.SubjectAltNames{
				DNSNames:    []string{"kubernetes.default.svc", "kube-apiserver"},
				IPAddresses: []string{"10.96.0.1", "10.0.0.10", "2001:DB8::0:1"},
			},
			Etcd: v1alpha1.SubjectAltNames{DNSNames: []string{"etcd-0.etcd"}},
		},
	}
	for _, m := range mutate {
		m(tenant)
	}
	return tenant
}

// TestDesire compares with testdata/desired.yaml; UPDATE=true writes it anew.
func TestDesire(t *testing.T) {
	desired, err := Desire(tenantPKI())
	if err != nil {
		t.Fatal(err)
	}
	var documents []string
	add := func(object any) {
		text, err := yaml.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, string(text))
	}
	for _, issuer := range desired.Issuers {
		add(issuer)
	}
	for _, certificate := range desired.Certificates {
		add(certificate)
	}
	const golden = "testdata/desired.yaml"
	got := strings.Join(documents, "---\n")
	if os.Getenv("UPDATE") == "true" {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("desired objects differ from %s (-want +got):\n%s", golden, diff)
	}
}

func TestDesireDoesNotDependOnOrder(t *testing.T) {
	one, err := Desire(tenantPKI())
	if err != nil {
		t.Fatal(err)
	}
	other, err := Desire(tenantPKI(func(p *v1alpha1.TenantPKI) {
		p.Spec.APIServer.DNSNames = []string{"kube-apiserver", "localhost", "kubernetes.default.svc"}
		p.Spec.APIServer.IPAddresses = []string{"2001:db8::1", "127.0.0.1", "10.0.0.10", "10.96.0.1"}
	}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(one, other); diff != "" {
		t.Errorf("(-one +other):\n%s", diff)
	}
}

func TestDesireRejectsWhatIsNoAddress(t *testing.T) {
	_, err := Desire(tenantPKI(func(p *v1alpha1.TenantPKI) { p.Spec.Etcd.IPAddresses = []string{"10.0.0.300"} }))
	const want = `spec.etcd.ipAddresses: "10.0.0.300" is not an IP address`
	if err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
}
