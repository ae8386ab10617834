package netlink

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway.dev/operators/network/fabric"
	"slipway.dev/operators/network/netnstest"
)

const (
	red  = 0x2a
	blue = 0xfffff
)

// twoTenants have the same addresses, and a pod each on both of two nodes.
func twoTenants(t *testing.T) (w *world, pods map[string]*nic) {
	w = newWorld(t, 2)
	pods = map[string]*nic{}
	for name, vni := range map[string]int32{"red": red, "blue": blue} {
		w.addNetwork(vni)
		for i, address := range []string{"10.200.0.16", "10.200.0.17"} {
			pod := w.plug(vni, w.nodes[i], address)
			netnstest.Serve(t, pod.path, address, name+" "+address)
			pods[name+" "+address] = pod
		}
	}
	return w, pods
}

func TestTenantsWithTheSameAddresses(t *testing.T) {
	w, pods := twoTenants(t)
	for _, tenant := range []string{"red", "blue"} {
		a, b := pods[tenant+" 10.200.0.16"], pods[tenant+" 10.200.0.17"]
		netnstest.Reaches(t, a.path, "10.200.0.17", tenant+" 10.200.0.17 heard 10.200.0.16")
		netnstest.Reaches(t, b.path, "10.200.0.16", tenant+" 10.200.0.16 heard 10.200.0.17")
	}
	// A third pod of one tenant is nowhere for the other.
	extra := w.plug(red, w.nodes[0], "10.200.0.18")
	netnstest.Serve(t, extra.path, "10.200.0.18", "extra")
	neighbour, far := pods["red 10.200.0.16"], pods["red 10.200.0.17"]
	netnstest.Reaches(t, neighbour.path, "10.200.0.18", "extra heard 10.200.0.16")
	netnstest.Reaches(t, far.path, "10.200.0.18", "extra heard 10.200.0.17")
	for _, address := range []string{"10.200.0.16", "10.200.0.17"} {
		pod := pods["blue "+address]
		pod.unconfine(t)
		netnstest.Blocked(t, pod.path, "10.200.0.18")
	}
}

// Whoever looks for a fault with nft must see what there is.
func TestRulesAreReadable(t *testing.T) {
	w, _ := twoTenants(t)
	w.config.Connections = fabric.ConnectionLimit{Max: 60, PerSecond: 20}
	w.sync()
	for table, wants := range map[string][]string{
		"slipway": {
			`"swb0fffff"`, "iifname @interfaces1 notrack", "ip saddr { 100.64.0.170, 100.127.255.254 } masquerade",
			"fib saddr . iif oif missing drop", "ct state invalid drop",
		},
		"slipway-limits": {
			`iifname "swu*"`, "@limits { iifname limit rate over 20/second burst 20 packets } counter", "@connlimits { iifname ct count over 60 } counter",
		},
	} {
		rules := netnstest.Run(t, w.nodes[0].host.path(""), "nft list table ip "+table)
		for _, want := range wants {
			if !strings.Contains(rules, want) {
				t.Errorf("no %q in\n%s", want, rules)
			}
		}
	}
}

func TestPodsBehindWorkers(t *testing.T) {
	w := newWorld(t, 2)
	w.addNetwork(red)
	a := w.plug(red, w.nodes[0], "10.200.0.16", "10.244.1.0/24")
	b := w.plug(red, w.nodes[1], "10.200.0.17", "10.244.2.0/24")
	netnstest.Run(t, a.path, "ip address add 10.244.1.5/32 dev fabric0")
	netnstest.Run(t, b.path, "ip address add 10.244.2.5/32 dev fabric0")
	netnstest.Serve(t, b.path, "10.244.2.5", "pod")
	netnstest.Run(t, a.path, "ip route replace 10.244.0.0/16 via 10.200.0.1 src 10.244.1.5")
	netnstest.Reaches(t, a.path, "10.244.2.5", "pod heard 10.244.1.5")
}

// A tenant must not fill the table of neighbours, which the node has only one of,
// with addresses that nobody has.
func TestGatewayLooksForNobody(t *testing.T) {
	w := newWorld(t, 1)
	w.config.EgressAllow = []netip.Prefix{netip.MustParsePrefix("10.99.0.50/32")}
	w.outsideOf("10.99.0.50")
	w.addNetwork(red)
	pod := w.guest(red)
	pod.unconfine(t)
	netnstest.Run(t, pod.path, "ip route add 10.200.0.128/25 via 10.200.0.1")
	must(t, netnstest.Do(pod.path, func() error { return flood("10.200.0.200", 1) }))
	// What is sent later has come through: so has what was sent before.
	netnstest.Reaches(t, pod.path, "10.99.0.50", "outside heard 10.99.0.1")
	gateway := w.nodes[0].host.path(fabric.GatewayNamespace(red))
	if known := netnstest.Run(t, gateway, "ip neighbour show nud all"); strings.Contains(known, "10.200.0.200") {
		t.Errorf("the gateway looks for an address that nobody has:\n%s", known)
	}
}

// Nor with what its API server, which is such a pod, is told to connect to.
func TestPodLooksForNobody(t *testing.T) {
	w := newWorld(t, 1)
	w.addNetwork(red)
	pod := w.plug(red, w.nodes[0], "10.200.0.16")
	must(t, netnstest.Do(pod.path, func() error { return flood("10.200.0.200", 1) }))
	if known := netnstest.Run(t, pod.path, "ip neighbour show nud all"); strings.Contains(known, "10.200.0.200") {
		t.Errorf("the pod looks for an address that no port has:\n%s", known)
	}
	worker := w.plug(red, w.nodes[0], "10.200.0.200")
	netnstest.Serve(t, worker.path, "10.200.0.200", "worker")
	netnstest.Reaches(t, pod.path, "10.200.0.200", "worker heard 10.200.0.16")
}

func TestAddressesOfOthersAreRefused(t *testing.T) {
	_, pods := twoTenants(t)
	a := pods["red 10.200.0.16"]
	netnstest.Run(t, a.path, "ip address add 10.200.0.99/24 dev fabric0")
	netnstest.Run(t, a.path, "ip route replace 10.200.0.17/32 dev fabric0 src 10.200.0.99")
	netnstest.Blocked(t, a.path, "10.200.0.17")
	netnstest.Run(t, a.path, "ip route delete 10.200.0.17/32")
	netnstest.Reaches(t, a.path, "10.200.0.17", "red 10.200.0.17 heard 10.200.0.16")
	netnstest.Run(t, a.path, "ip link set fabric0 address 02:00:00:00:00:99")
	netnstest.Blocked(t, a.path, "10.200.0.17")
}

// A frame to the bridge's own address must not be a way into the node.
func TestNodeIsNotOnItsBridges(t *testing.T) {
	w := newWorld(t, 1)
	w.addNetwork(red)
	pod := w.plug(red, w.nodes[0], "10.200.0.16")
	node := w.nodes[0].host.path("")
	netnstest.Serve(t, node, "10.99.0.1", "node")
	link := strings.Fields(netnstest.Run(t, node, "ip -br link show swb00002a"))
	netnstest.Run(t, pod.path, "ip route add 10.99.0.1/32 dev fabric0")
	netnstest.Run(t, pod.path, "ip neighbour replace 10.99.0.1 lladdr "+link[2]+" dev fabric0 nud permanent")
	netnstest.Run(t, node, "ip route add 10.200.0.16/32 dev swb00002a")
	netnstest.Blocked(t, pod.path, "10.99.0.1")
}

func TestDriftIsMended(t *testing.T) {
	for name, damage := range map[string]string{
		"bridge":           "ip link delete swb00002a",
		"tunnel":           "ip link delete swx00002a",
		"gateway link":     "ip link delete swg00002a",
		"bridge down":      "ip link set swb00002a down",
		"port unplugged":   "ip link set swx00002a nomaster",
		"forwarding":       "bridge fdb delete 02:2a:0a:c8:00:11 dev swx00002a self",
		"forwarding moved": "bridge fdb replace 02:2a:0a:c8:00:11 dev swx00002a dst 10.99.0.77 self permanent",
		"neighbour":        "ip neighbour delete 10.200.0.17 dev swb00002a",
		"rules":            "nft delete table ip slipway",
		"guards":           "nft flush ruleset netdev",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 2)
			w.addNetwork(red)
			a := w.plug(red, w.nodes[0], "10.200.0.16")
			b := w.plug(red, w.nodes[1], "10.200.0.17")
			netnstest.Serve(t, b.path, "10.200.0.17", "b")
			before := netnstest.Snapshot(t, a.node.host.path(""))
			netnstest.Run(t, a.node.host.path(""), damage)
			w.sync()
			if diff := cmp.Diff(before, netnstest.Snapshot(t, a.node.host.path(""))); diff != "" {
				t.Errorf("after mending (-before +after):\n%s", diff)
			}
			netnstest.Reaches(t, a.path, "10.200.0.17", "b heard 10.200.0.16")
		})
	}
}

func TestNothingIsLeft(t *testing.T) {
	w := newWorld(t, 2)
	a, b := w.nodes[0].host.path(""), w.nodes[1].host.path("")
	// Somebody else's, with names like ours.
	netnstest.Run(t, a, "ip link add swb0000ff type bridge")
	netnstest.Run(t, a, "ip link set swb0000ff alias not/ours")
	netnstest.Run(t, a, "nft add table ip other")
	before := [][]string{netnstest.Snapshot(t, a), netnstest.Snapshot(t, b)}
	w.addNetwork(red)
	w.addNetwork(blue)
	pods := []*nic{
		w.plug(red, w.nodes[0], "10.200.0.16"), w.plug(red, w.nodes[1], "10.200.0.17"), w.plug(blue, w.nodes[0], "10.200.0.16"),
	}
	for _, pod := range pods {
		w.unplug(pod)
	}
	after := [][]string{netnstest.Snapshot(t, a), netnstest.Snapshot(t, b)}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("left behind (-before +after):\n%s", diff)
	}
	for _, n := range w.nodes {
		if names, err := filepath.Glob(n.host.path("*")); err != nil || len(names) != 1 {
			t.Errorf("%s still has namespaces %v, %v", n.name, names, err)
		}
	}
}
