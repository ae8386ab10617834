package pki

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/golden"
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

func TestDesire(t *testing.T) {
	desired, err := Desire(tenantPKI())
	if err != nil {
		t.Fatal(err)
	}
	var objects []any
	for _, issuer := range desired.Issuers {
		objects = append(objects, issuer)
	}
	for _, certificate := range desired.Certificates {
		objects = append(objects, certificate)
	}
	golden.Objects(t, "desired", objects...)
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
