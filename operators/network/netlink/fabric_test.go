package netlink

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
			serve(t, pod.node.host, pod.pod, address, name+" "+address)
			pods[name+" "+address] = pod
		}
	}
	return w, pods
}

func TestTenantsWithTheSameAddresses(t *testing.T) {
	w, pods := twoTenants(t)
	for _, tenant := range []string{"red", "blue"} {
		a, b := pods[tenant+" 10.200.0.16"], pods[tenant+" 10.200.0.17"]
		reaches(t, a.node.host, a.pod, "10.200.0.17", tenant+" 10.200.0.17 heard 10.200.0.16")
		reaches(t, b.node.host, b.pod, "10.200.0.16", tenant+" 10.200.0.16 heard 10.200.0.17")
	}
	// A third pod of one tenant is nowhere for the other.
	extra := w.plug(red, w.nodes[0], "10.200.0.18")
	serve(t, extra.node.host, extra.pod, "10.200.0.18", "extra")
	neighbour, far := pods["red 10.200.0.16"], pods["red 10.200.0.17"]
	reaches(t, neighbour.node.host, neighbour.pod, "10.200.0.18", "extra heard 10.200.0.16")
	reaches(t, far.node.host, far.pod, "10.200.0.18", "extra heard 10.200.0.17")
	for _, address := range []string{"10.200.0.16", "10.200.0.17"} {
		pod := pods["blue "+address]
		blocked(t, pod.node.host, pod.pod, "10.200.0.18")
	}
}

func TestPodsBehindWorkers(t *testing.T) {
	w := newWorld(t, 2)
	w.addNetwork(red)
	a := w.plug(red, w.nodes[0], "10.200.0.16", "10.244.1.0/24")
	b := w.plug(red, w.nodes[1], "10.200.0.17", "10.244.2.0/24")
	a.node.host.run(a.pod, "ip address add 10.244.1.5/32 dev fabric0")
	b.node.host.run(b.pod, "ip address add 10.244.2.5/32 dev fabric0")
	serve(t, b.node.host, b.pod, "10.244.2.5", "pod")
	a.node.host.run(a.pod, "ip route replace 10.244.0.0/16 via 10.200.0.1 src 10.244.1.5")
	reaches(t, a.node.host, a.pod, "10.244.2.5", "pod heard 10.244.1.5")
}

func TestAddressesOfOthersAreRefused(t *testing.T) {
	_, pods := twoTenants(t)
	a := pods["red 10.200.0.16"]
	a.node.host.run(a.pod, "ip address add 10.200.0.99/24 dev fabric0")
	a.node.host.run(a.pod, "ip route replace 10.200.0.17/32 dev fabric0 src 10.200.0.99")
	blocked(t, a.node.host, a.pod, "10.200.0.17")
	a.node.host.run(a.pod, "ip route delete 10.200.0.17/32")
	reaches(t, a.node.host, a.pod, "10.200.0.17", "red 10.200.0.17 heard 10.200.0.16")
	a.node.host.run(a.pod, "ip link set fabric0 address 02:00:00:00:00:99")
	blocked(t, a.node.host, a.pod, "10.200.0.17")
}

func TestEgress(t *testing.T) {
	w := newWorld(t, 2)
	w.config.EgressAllow = []netip.Prefix{netip.MustParsePrefix("10.99.0.0/24")}
	w.config.EgressDeny = []netip.Prefix{netip.MustParsePrefix("10.99.0.60/32")}
	outside := newTestHost(t)
	// The outside machine is on the nodes' own link.
	underlay := w.nodes[0]
	connect(t, underlay.host, "", "out0", outside, "eth0", netip.MustParsePrefix("10.99.0.50/24"))
	outside.ip("address add 10.99.0.60/24 dev eth0")
	underlay.host.ip("route add 10.99.0.50/32 dev out0")
	underlay.host.ip("route add 10.99.0.60/32 dev out0")
	outside.ip("route replace 10.99.0.1/32 dev eth0")
	for _, address := range []string{"10.99.0.50", "10.99.0.60"} {
		serve(t, outside, "", address, "outside")
	}
	for _, n := range w.nodes {
		serve(t, n.host, "", n.vtep.String(), n.name)
	}
	w.addNetwork(red)
	w.addNetwork(blue)
	for _, vni := range []int32{red, blue} {
		pod := w.plug(vni, w.nodes[0], "10.200.0.16")
		// A guest has its default route through the gateway.
		pod.node.host.run(pod.pod, "ip route add default via 10.200.0.1")
	}
	host := w.nodes[0].host
	for _, pod := range []string{"pod-42-10.200.0.16", "pod-1048575-10.200.0.16"} {
		reaches(t, host, pod, "10.99.0.50", "outside heard 10.99.0.1")
		for _, forbidden := range []string{"10.99.0.60", "10.99.0.1", "10.99.0.2", "100.64.0.169", "192.0.2.1"} {
			blocked(t, host, pod, forbidden)
		}
	}
	// Neither does the node, nor anybody through it, reach into a tenant.
	outside.ip("route add 10.200.0.0/24 via 10.99.0.1")
	serve(t, host, "pod-42-10.200.0.16", "10.200.0.16", "pod")
	blocked(t, outside, "", "10.200.0.16")
	blocked(t, host, "", "10.200.0.16")
}

// A frame to the bridge's own address must not be a way into the node.
func TestNodeIsNotOnItsBridges(t *testing.T) {
	w := newWorld(t, 1)
	w.addNetwork(red)
	pod := w.plug(red, w.nodes[0], "10.200.0.16")
	host := w.nodes[0].host
	serve(t, host, "", "10.99.0.1", "node")
	link := strings.Fields(host.ip("-br link show swb00002a"))
	host.run(pod.pod, "ip route add 10.99.0.1/32 dev fabric0")
	host.run(pod.pod, "ip neighbour replace 10.99.0.1 lladdr "+link[2]+" dev fabric0 nud permanent")
	host.ip("route add 10.200.0.16/32 dev swb00002a")
	blocked(t, host, pod.pod, "10.99.0.1")
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
			serve(t, b.node.host, b.pod, "10.200.0.17", "b")
			before := snapshot(a.node.host)
			a.node.host.run("", damage)
			w.sync()
			if diff := cmp.Diff(before, snapshot(a.node.host)); diff != "" {
				t.Errorf("after mending (-before +after):\n%s", diff)
			}
			reaches(t, a.node.host, a.pod, "10.200.0.17", "b heard 10.200.0.16")
		})
	}
}

func TestNothingIsLeft(t *testing.T) {
	w := newWorld(t, 2)
	host := w.nodes[0].host
	// Somebody else's, with names like ours.
	host.ip("link add swb0000ff type bridge")
	host.ip("link set swb0000ff alias not/ours")
	host.run("", "nft add table ip other")
	before := []string{snapshot(w.nodes[0].host), snapshot(w.nodes[1].host)}
	w.addNetwork(red)
	w.addNetwork(blue)
	pods := []*nic{
		w.plug(red, w.nodes[0], "10.200.0.16"), w.plug(red, w.nodes[1], "10.200.0.17"), w.plug(blue, w.nodes[0], "10.200.0.16"),
	}
	for _, pod := range pods {
		w.unplug(pod)
	}
	after := []string{snapshot(w.nodes[0].host), snapshot(w.nodes[1].host)}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("left behind (-before +after):\n%s", diff)
	}
}

// snapshot is all of a node's links, routes, entries and rules, without the
// numbers that the kernel gives out.
func snapshot(h *Host) string {
	commands := []string{
		"ip -br link", "ip -br address", "ip route show table all", "ip neighbour show nud permanent", "nft list ruleset", "ls " + h.directory,
	}
	var all []string
	for _, c := range commands {
		var lines []string
		for _, line := range strings.Split(h.run("", c), "\n") {
			if strings.Contains(line, "fe80::") || strings.Contains(line, "ff00::") || strings.HasPrefix(line, "local ") {
				continue
			}
			name, rest, _ := strings.Cut(line, "@if")
			_, rest, _ = strings.Cut(rest, " ")
			lines = append(lines, strings.TrimSpace(name+" "+rest))
		}
		slices.Sort(lines) // what is made anew comes last
		all = append(all, lines...)
	}
	return strings.Join(all, "\n")
}
