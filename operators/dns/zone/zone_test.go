package zone

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
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

func TestEndpointOfAnAlias(t *testing.T) {
	names := Names{API: "api.demo.team.example.com", Apps: "*.apps.demo.team.example.com"}
	s := spec(func(s *v1alpha1.TenantDNSSpec) {
		s.APITargets, s.AppsTargets = []string{"LB.example.org."}, []string{"b.example.org", "a.example.org"}
	})
	records, err := Records(s, names)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range Endpoint(&v1alpha1.TenantDNS{}, records).Spec.Endpoints {
		got = append(got, e.DNSName+" "+e.RecordType+" "+strings.Join(e.Targets, ","))
	}
	want := []string{"api.demo.team.example.com CNAME lb.example.org", "*.apps.demo.team.example.com CNAME a.example.org"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRecords(t *testing.T) {
	names := Names{API: "api.demo.team.example.com", Apps: "*.apps.demo.team.example.com"}
	tests := map[string]struct {
		targets []string
		want    string // of the API's record
		err     string
	}{
		"nothing":                 {want: "no record"},
		"addresses":               {targets: []string{"192.0.2.2", "192.0.2.1", "192.0.2.2"}, want: "192.0.2.1, 192.0.2.2"},
		"host name":               {targets: []string{"lb.example.org"}, want: "alias lb.example.org"},
		"addresses are preferred": {targets: []string{"lb.example.org", "192.0.2.1"}, want: "192.0.2.1"},
		"single label":            {targets: []string{"nodes"}, want: "alias nodes"},
		"no host name": {
			targets: []string{"lb example"},
			err:     `spec.apiTargets: "lb example" is neither an IP address nor a host name; write for example 192.0.2.1 or lb.example.com`,
		},
		"mistyped address": {
			targets: []string{"192.0.2.300"},
			err:     `spec.apiTargets: "192.0.2.300" is neither an IP address nor a host name; write for example 192.0.2.1 or lb.example.com`,
		},
		"alias of itself": {
			targets: []string{"api.demo.team.example.com"},
			err:     `spec.apiTargets: "api.demo.team.example.com" is a name of this tenant and would lead to itself; give the host that it should lead to`,
		},
		"alias below its wildcard": {
			targets: []string{"lb.apps.demo.team.example.com"},
			err:     `spec.apiTargets: "lb.apps.demo.team.example.com" is a name of this tenant and would lead to itself; give the host that it should lead to`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			records, err := Records(spec(func(s *v1alpha1.TenantDNSSpec) { s.APITargets = test.targets }), names)
			got, gotErr := "no record", ""
			if len(records) > 0 {
				got = records[0].Target.String()
			}
			if err != nil {
				got, gotErr = "", err.Error()
			}
			if got != test.want || gotErr != test.err {
				t.Errorf("got %q and error %q, want %q and %q", got, gotErr, test.want, test.err)
			}
		})
	}
}

func addresses(texts ...string) Target {
	var result []netip.Addr
	for _, text := range texts {
		result = append(result, netip.MustParseAddr(text))
	}
	return NewTarget(result...)
}

func TestMissing(t *testing.T) {
	records := []Record{
		{Name: "api.x", Target: addresses("192.0.2.1", "192.0.2.2")},
		{Name: "*.apps.x", Target: Target{Alias: "lb.example.org"}},
	}
	api, apps := Answer{Target: addresses("192.0.2.2", "192.0.2.1")}, Answer{Target: Target{Alias: "lb.example.org"}}
	tests := map[string]struct {
		answers map[string]Answer
		want    string
	}{
		"served, in another order": {answers: map[string]Answer{"api.x": api, "*.apps.x": apps}},
		"not there": {
			answers: map[string]Answer{"api.x": {}, "*.apps.x": apps},
			want:    "api.x: has no address, should have 192.0.2.1, 192.0.2.2",
		},
		"not asked": {
			answers: map[string]Answer{"*.apps.x": apps},
			want:    "api.x: the server has not been asked",
		},
		"one too many": {
			answers: map[string]Answer{"api.x": {Target: addresses("192.0.2.1", "192.0.2.2", "192.0.2.3")}, "*.apps.x": apps},
			want:    "api.x: has 192.0.2.1, 192.0.2.2, 192.0.2.3, should have 192.0.2.1, 192.0.2.2",
		},
		"addresses where there should be an alias": {
			answers: map[string]Answer{"api.x": api, "*.apps.x": {Target: addresses("192.0.2.1")}},
			want:    "*.apps.x: has 192.0.2.1, should have alias lb.example.org",
		},
		"another alias": {
			answers: map[string]Answer{"api.x": api, "*.apps.x": {Target: Target{Alias: "old.example.org"}}},
			want:    "*.apps.x: has alias old.example.org, should have alias lb.example.org",
		},
		"no answer": {
			answers: map[string]Answer{"api.x": {Err: errors.New("server answers REFUSED")}, "*.apps.x": apps},
			want:    "api.x: server answers REFUSED",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := missing(records, test.answers); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestRemaining(t *testing.T) {
	tests := map[string]struct {
		answers map[string]Answer
		want    string
	}{
		"gone":          {answers: map[string]Answer{"api.x": {}, "*.apps.x": {}}},
		"still there":   {answers: map[string]Answer{"api.x": {Target: addresses("192.0.2.1")}}, want: "api.x: still has 192.0.2.1"},
		"alias":         {answers: map[string]Answer{"api.x": {Target: Target{Alias: "lb.example.org"}}}, want: "api.x: still has alias lb.example.org"},
		"server is off": {answers: map[string]Answer{"api.x": {Err: errors.New("no answer")}}, want: "api.x: no answer"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Remaining(slices.Collect(maps.Keys(test.answers)), test.answers); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
