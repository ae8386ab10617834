package layout

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNew(t *testing.T) {
	p, err := New("demo", 2)
	if err != nil {
		t.Fatal(err)
	}
	want := Node{
		Index:     1,
		Name:      "demo-1",
		Address:   netip.MustParseAddr("172.30.0.11"),
		PodCIDR:   netip.MustParsePrefix("172.31.1.0/24"),
		Namespace: "slipway.demo.1",
		Cgroup:    "slipway.demo.1",
	}
	if diff := cmp.Diff(want, p.Nodes[1], cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("node 1 (-want +got):\n%s", diff)
	}
	if got := p.Nodes[1].Gateway().String(); got != "172.31.1.1" {
		t.Errorf("gateway = %s", got)
	}
	if diff := cmp.Diff([]string{"slipway.demo.hub", "slipway.demo.0", "slipway.demo.1"}, p.Namespaces()); diff != "" {
		t.Errorf("namespaces (-want +got):\n%s", diff)
	}
}

func TestNewRejects(t *testing.T) {
	for _, c := range []struct {
		name  string
		nodes int
	}{
		{"", 1}, {"Upper", 1}, {"a.b", 1}, {"-a", 1}, {"a-", 1}, {"twenty-one-characters", 1}, {"a", 0}, {"a", MaxNodes + 1},
	} {
		if _, err := New(c.name, c.nodes); err == nil {
			t.Errorf("New(%q, %d) was accepted", c.name, c.nodes)
		}
	}
}

func TestSubnetsStayApart(t *testing.T) {
	p, err := New("demo", MaxNodes)
	if err != nil {
		t.Fatal(err)
	}
	subnets := []netip.Prefix{NodeSubnet, PodSubnet, ServiceSubnet, netip.MustParsePrefix("10.0.0.0/8")}
	for i, a := range subnets {
		for _, b := range subnets[i+1:] {
			if a.Overlaps(b) {
				t.Errorf("%s overlaps %s", a, b)
			}
		}
	}
	for _, n := range p.Nodes {
		if !NodeSubnet.Contains(n.Address) || n.Address == HubAddress {
			t.Errorf("%s has address %s", n.Name, n.Address)
		}
		if n.PodCIDR.Masked() != n.PodCIDR || !PodSubnet.Contains(n.PodCIDR.Addr()) {
			t.Errorf("%s has pods %s", n.Name, n.PodCIDR)
		}
	}
}

func TestLoopbackCandidates(t *testing.T) {
	seen := map[netip.Addr]bool{}
	for _, a := range LoopbackCandidates("slipway") {
		if !netip.MustParsePrefix("127.77.0.0/16").Contains(a) || seen[a] {
			t.Errorf("candidate %s", a)
		}
		seen[a] = true
	}
	if len(seen) != 254 {
		t.Errorf("%d candidates", len(seen))
	}
	if LoopbackCandidates("slipway")[0] == LoopbackCandidates("ci")[0] {
		t.Error("two names prefer the same address")
	}
}
