package zone

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"slipway.dev/api/v1alpha1"
)

func spec(mutate ...func(*v1alpha1.TenantDNSSpec)) v1alpha1.TenantDNSSpec {
	s := v1alpha1.TenantDNSSpec{TenantName: "demo", TenantNamespace: "team", APITargets: []string{"192.0.2.2", "192.0.2.1"}}
	for _, m := range mutate {
		m(&s)
	}
	return s
}

func TestNamesOf(t *testing.T) {
	tests := map[string]struct {
		spec v1alpha1.TenantDNSSpec
		base string
		want Names
		err  string
	}{
		"usual": {
			spec: spec(), base: "k8s.example.com",
			want: Names{API: "api.demo.team.k8s.example.com", Apps: "*.apps.demo.team.k8s.example.com"},
		},
		"a dot would leave the apex": {
			spec: spec(func(s *v1alpha1.TenantDNSSpec) { s.TenantName = "demo.other" }), base: "example.com",
			err: `spec.tenantName "demo.other" cannot be part of a DNS name`,
		},
		"too long for a label": {
			spec: spec(func(s *v1alpha1.TenantDNSSpec) { s.TenantNamespace = strings.Repeat("a", 64) }), base: "example.com",
			err: "must be no more than 63 characters",
		},
		"too long for a name": {
			spec: spec(), base: strings.Repeat("abcdefghi.", 21) + "example",
			err: "has 234 characters, at most 221 are possible; use shorter names or a shorter base domain",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := NamesOf(test.spec, test.base)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("got error %v, want %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEndpoint(t *testing.T) {
	s := spec(func(s *v1alpha1.TenantDNSSpec) {
		s.APITargets = append(s.APITargets, "2001:DB8::1", "192.0.2.1")
		s.AppsTargets = []string{"192.0.2.9"}
	})
	names, err := NamesOf(s, "example.com")
	if err != nil {
		t.Fatal(err)
	}
	records, err := Records(s, names)
	if err != nil {
		t.Fatal(err)
	}
	tenant := &v1alpha1.TenantDNS{ObjectMeta: metav1.ObjectMeta{Name: "demo", Namespace: "tenant-demo-1", UID: "7d5f"}}
	got, err := yaml.Marshal(Endpoint(tenant, records))
	if err != nil {
		t.Fatal(err)
	}
	const want = `apiVersion: externaldns.k8s.io/v1alpha1
kind: DNSEndpoint
metadata:
  labels:
    slipway.dev/tenant: tenant-demo-1
  name: demo
  namespace: tenant-demo-1
  ownerReferences:
  - apiVersion: slipway.dev/v1alpha1
    blockOwnerDeletion: true
    controller: true
    kind: TenantDNS
    name: demo
    uid: 7d5f
spec:
  endpoints:
  - dnsName: api.demo.team.example.com
    recordTTL: 60
    recordType: A
    targets:
    - 192.0.2.1
    - 192.0.2.2
  - dnsName: api.demo.team.example.com
    recordTTL: 60
    recordType: AAAA
    targets:
    - 2001:db8::1
  - dnsName: '*.apps.demo.team.example.com'
    recordTTL: 60
    recordType: A
    targets:
    - 192.0.2.9
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRecordsRejectsWhatIsNoAddress(t *testing.T) {
	_, err := Records(spec(func(s *v1alpha1.TenantDNSSpec) { s.AppsTargets = []string{"lb.example.com"} }), Names{})
	const want = `spec.appsTargets: "lb.example.com" is not an IP address`
	if err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
}

func TestMissing(t *testing.T) {
	one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	records := []Record{{Name: "api.x", Targets: []netip.Addr{one, two}}, {Name: "*.apps.x", Targets: []netip.Addr{one}}}
	apps := Answer{Addresses: []netip.Addr{one}}
	tests := map[string]struct {
		answers map[string]Answer
		want    string
	}{
		"served, in another order": {
			answers: map[string]Answer{"api.x": {Addresses: []netip.Addr{two, one}}, "*.apps.x": apps},
		},
		"not there": {
			answers: map[string]Answer{"*.apps.x": apps},
			want:    "api.x: has no address, shall have 192.0.2.1, 192.0.2.2",
		},
		"one too many": {
			answers: map[string]Answer{"api.x": {Addresses: []netip.Addr{two, one}}, "*.apps.x": {Addresses: []netip.Addr{one, two}}},
			want:    "*.apps.x: has 192.0.2.1, 192.0.2.2, shall have 192.0.2.1",
		},
		"no answer": {
			answers: map[string]Answer{"api.x": {Err: errors.New("server answers REFUSED")}, "*.apps.x": apps},
			want:    "api.x: server answers REFUSED",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Missing(records, test.answers); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestRemaining(t *testing.T) {
	one := netip.MustParseAddr("192.0.2.1")
	tests := map[string]struct {
		answers map[string]Answer
		want    string
	}{
		"gone":          {answers: map[string]Answer{"api.x": {}, "*.apps.x": {}}},
		"still there":   {answers: map[string]Answer{"api.x": {Addresses: []netip.Addr{one}}}, want: "api.x: still has 192.0.2.1"},
		"server is off": {answers: map[string]Answer{"api.x": {Err: errors.New("no answer")}}, want: "api.x: no answer"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Remaining(test.answers); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
