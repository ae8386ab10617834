package fabric

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// observed is a node that is as it should be.
func observed() State { return observedOf(example()) }

func observedOf(in Input) State {
	state, _ := Desired(in)
	for i, t := range state.Tables {
		state.Tables[i] = Table{Namespace: t.Namespace, Family: t.Family, Name: t.Name, Digest: t.digest()}
	}
	return state
}

func planned(change func(*State)) Changes {
	desired, _ := Desired(example())
	have := observed()
	change(&have)
	return Plan(have, desired)
}

func names(links []Link) []string {
	var all []string
	for _, l := range links {
		all = append(all, l.Name)
	}
	return all
}

func without[T any](items []T, gone func(T) bool) []T { return slices.DeleteFunc(items, gone) }

func TestPlanOfNothing(t *testing.T) {
	if c := planned(func(*State) {}); !c.Empty() {
		t.Errorf("%+v", c)
	}
}

func TestPlanFromNothing(t *testing.T) {
	desired, _ := Desired(example())
	c := Plan(State{}, desired)
	// NICs are made by the CNI call, the gateway's ends with the node's.
	if diff := cmp.Diff([]string{"swb00002a", "swx00002a", "swg00002a", "swu00002a"}, names(c.CreateLinks)); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(names(desired.Links), names(c.UpdateLinks)); diff != "" {
		t.Errorf("updated (-want +got):\n%s", diff)
	}
	if len(c.AddRoutes) != len(desired.Routes) || len(c.AddForwarding) != len(desired.Forwarding) || len(c.ReplaceTables) != len(desired.Tables) {
		t.Errorf("%+v", c)
	}
}

func TestPlanToNothing(t *testing.T) {
	have := observed()
	c := Plan(have, State{})
	if len(c.DeleteNamespaces) != 1 || len(c.CreateLinks)+len(c.UpdateLinks)+len(c.ReplaceTables) != 0 {
		t.Errorf("%+v", c)
	}
	// What is in the gateway goes with it.
	for _, l := range c.DeleteLinks {
		if l.Namespace != "" {
			t.Errorf("deletes %+v", l)
		}
	}
	for _, table := range c.DeleteTables {
		if IsGatewayNamespace(table.Namespace) {
			t.Errorf("deletes %+v", table)
		}
	}
}

func TestPlanReplaysWhatALinkTookWithIt(t *testing.T) {
	c := planned(func(s *State) {
		s.Links = without(s.Links, func(l Link) bool { return l.Name == "swx00002a" })
		s.Forwarding = without(s.Forwarding, func(f ForwardingEntry) bool { return f.Link == "swx00002a" })
	})
	if diff := cmp.Diff([]string{"swx00002a"}, names(c.CreateLinks)); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	if len(c.AddForwarding) != 2 || len(c.DeleteLinks) != 0 {
		t.Errorf("%+v", c)
	}
}

func TestPlanMakesAnew(t *testing.T) {
	link := func(s *State, name string) *Link {
		return &s.Links[slices.IndexFunc(s.Links, func(l Link) bool { return l.Name == name })]
	}
	for name, test := range map[string]struct {
		damage           func(*State)
		deleted, created []string
		updated          []string
	}{
		"a tunnel to the wrong place": {
			func(s *State) { link(s, "swx00002a").Local = netip.MustParseAddr("192.0.2.9") },
			[]string{"swx00002a"}, []string{"swx00002a"}, []string{"swx00002a"},
		},
		"another network's bridge, and what was on it": {
			func(s *State) { link(s, "swb00002a").Alias = "former" },
			[]string{"swb00002a"},
			[]string{"swb00002a"},
			[]string{"swb00002a", "swx00002a", "swg00002a", PortName("container-of-kube-apiserver-0", "fabric0"), PortName("container-of-worker-1", "fabric0")},
		},
		"a link without its other end": {
			func(s *State) { s.Links = without(s.Links, func(l Link) bool { return l.Name == GatewayUplink }) },
			[]string{"swu00002a"}, []string{"swu00002a"}, []string{"swu00002a", GatewayUplink},
		},
		"nothing, when a change will do": {
			func(s *State) { link(s, "swb00002a").MTU = 1500 },
			nil, nil, []string{"swb00002a"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := planned(test.damage)
			got := [][]string{names(c.DeleteLinks), names(c.CreateLinks), names(c.UpdateLinks)}
			if diff := cmp.Diff([][]string{test.deleted, test.created, test.updated}, got); diff != "" {
				t.Errorf("deleted, created, updated (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlanRenewsTheNamespaceOfAnotherNetwork(t *testing.T) {
	c := planned(func(s *State) {
		s.Namespaces[0].Alias = "former"
	})
	if len(c.DeleteNamespaces) != 1 || len(c.CreateNamespaces) != 1 {
		t.Errorf("namespaces %+v, %+v", c.DeleteNamespaces, c.CreateNamespaces)
	}
	if diff := cmp.Diff([]string{"swg00002a", "swu00002a"}, names(c.CreateLinks)); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	desired, _ := Desired(example())
	if len(c.AddRoutes) != len(desired.Routes) {
		t.Errorf("routes %+v", c.AddRoutes)
	}
}

func TestOwnedName(t *testing.T) {
	for name, test := range map[string]struct {
		kind string
		want bool
	}{
		"swb00002a":       {KindBridge, true},
		"swx00002a":       {KindVXLAN, true},
		"swg00002a":       {KindVeth, true},
		"swp0123456789ab": {KindVeth, true},
		"swb00002b":       {KindVeth, false},
		"swbridge0":       {KindBridge, false},
		"sw":              {KindBridge, false},
		"eth0":            {KindVeth, false},
	} {
		if got := OwnedName(name, test.kind); got != test.want {
			t.Errorf("OwnedName(%s, %s) = %v", name, test.kind, got)
		}
	}
}

func TestAlias(t *testing.T) {
	for _, a := range []Alias{{NetworkUID: "n"}, {NetworkUID: "n", PortUID: "p", ContainerID: "c", Interface: "i"}} {
		if got, ok := ParseAlias(a.String()); !ok || got != a {
			t.Errorf("ParseAlias(%s) = %+v, %v", a, got, ok)
		}
	}
	for _, text := range []string{"", "a/b", "a/b/c/d/e"} {
		if a, ok := ParseAlias(text); ok {
			t.Errorf("ParseAlias(%q) = %+v", text, a)
		}
	}
}

func TestUplinkAddresses(t *testing.T) {
	uplink := netip.MustParsePrefix("100.64.0.0/10")
	node, gateway := uplinkAddresses(uplink, MaxVNI)
	if node.String() != "100.127.255.253" || gateway.String() != "100.127.255.254" || !uplink.Contains(gateway) {
		t.Errorf("%s, %s", node, gateway)
	}
}
