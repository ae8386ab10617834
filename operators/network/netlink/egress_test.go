package netlink

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"slipway.dev/operators/network/fabric"
	"slipway.dev/operators/network/netnstest"
)

// outsideOf connects a machine with addresses beside the first node, on the
// nodes' own range.
func (w *world) outsideOf(addresses ...string) (path string) {
	w.t.Helper()
	node := w.nodes[0].host.path("")
	outside := netnstest.New(w.t, netnstest.Directory(w.t), "outside")
	netnstest.Connect(w.t, node, "out0", outside, "eth0", netip.Prefix{})
	netnstest.Run(w.t, outside, "ip route add default dev eth0")
	for _, address := range addresses {
		netnstest.Run(w.t, outside, "ip address add "+address+"/32 dev eth0")
		netnstest.Run(w.t, node, "ip route add "+address+"/32 dev out0")
		netnstest.Serve(w.t, outside, address, "outside")
	}
	return outside
}

// guest is a pod with its default route through the gateway.
func (w *world) guest(vni int32) *nic {
	w.t.Helper()
	pod := w.plug(vni, w.nodes[0], "10.200.0.16")
	netnstest.Run(w.t, pod.path, "ip route add default via 10.200.0.1")
	return pod
}

func TestEgress(t *testing.T) {
	w := newWorld(t, 2)
	w.config.EgressAllow = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}
	w.config.EgressDeny = []netip.Prefix{netip.MustParsePrefix("10.99.0.60/32")}
	w.config.Management = []netip.Prefix{netip.MustParsePrefix("172.31.0.0/16")}
	w.hosts[1].Spec.Addresses = []string{w.nodes[1].vtep.String(), "198.51.100.2"}
	denied := []string{"10.99.0.60", "169.254.169.254", "172.31.0.7", "198.51.100.2"}
	outside := w.outsideOf(append(denied, "10.99.0.50")...)
	for _, n := range w.nodes {
		netnstest.Serve(t, n.host.path(""), n.vtep.String(), n.name)
	}
	w.addNetwork(red)
	w.addNetwork(blue)
	pods := []*nic{w.guest(red), w.guest(blue)}
	// An address that the node gets later is the node's all the same.
	node := w.nodes[0].host.path("")
	netnstest.Run(t, node, "ip address add 203.0.113.1/32 dev eth0")
	netnstest.Serve(t, node, "203.0.113.1", "node")
	for _, pod := range pods {
		netnstest.Reaches(t, pod.path, "10.99.0.50", "outside heard 10.99.0.1")
		for _, forbidden := range append(denied, "10.99.0.1", "10.99.0.2", "100.64.0.169", "203.0.113.1", "255.255.255.255") {
			netnstest.Blocked(t, pod.path, forbidden)
		}
	}
	// Neither does the node, nor anybody through it, reach into a tenant.
	netnstest.Serve(t, pods[0].path, "10.200.0.16", "pod")
	netnstest.Run(t, outside, "ip route add 10.200.0.0/24 via 10.99.0.1 dev eth0 onlink")
	netnstest.Run(t, node, "ip route add 10.200.0.0/24 via 100.64.0.170")
	netnstest.Blocked(t, outside, "10.200.0.16")
	netnstest.Blocked(t, node, "10.200.0.16")
}

func TestAddressesOfTheNode(t *testing.T) {
	w := newWorld(t, 1)
	w.addNetwork(red)
	w.plug(red, w.nodes[0], "10.200.0.16")
	host := w.nodes[0].host
	netnstest.Run(t, host.path(""), "ip address add 203.0.113.1/32 dev eth0")
	addresses, err := host.Addresses()
	must(t, err)
	if got := fmt.Sprint(addresses); got != "[10.99.0.1 203.0.113.1]" {
		t.Errorf("addresses %s: want the node's own, without the fabric's", got)
	}
}

// Only the gateway's own address leaves it: a packet of no connection is not
// translated, and has a source that the tenant chose.
func TestOnlyTheGatewaysAddressLeaves(t *testing.T) {
	w := newWorld(t, 1)
	w.config.EgressAllow = []netip.Prefix{netip.MustParsePrefix("10.99.0.50/32")}
	outside := w.outsideOf("10.99.0.50")
	w.addNetwork(red)
	pod := w.guest(red)
	gateway := w.nodes[0].host.path(fabric.GatewayNamespace(red))
	for _, seen := range []string{gateway, outside} {
		netnstest.Run(t, seen, "nft add table ip seen")
		netnstest.Run(t, seen, "nft add counter ip seen stranger")
		netnstest.Run(t, seen, "nft add counter ip seen own")
	}
	netnstest.Run(t, gateway, "nft add chain ip seen egress { type filter hook postrouting priority 400 ; }")
	netnstest.Run(t, gateway, "nft add rule ip seen egress oifname uplink0 ip saddr != 100.64.0.170 counter name stranger")
	netnstest.Run(t, outside, "nft add chain ip seen ingress { type filter hook prerouting priority -500 ; }")
	netnstest.Run(t, outside, "nft add rule ip seen ingress ip saddr != 10.99.0.1 counter name stranger")
	netnstest.Run(t, outside, "nft add rule ip seen ingress ip saddr 10.99.0.1 counter name own")
	netnstest.SendSYNACK(t, pod.path, "10.200.0.16", "10.99.0.50")
	netnstest.Reaches(t, pod.path, "10.99.0.50", "outside heard 10.99.0.1")
	for _, seen := range []string{gateway, outside} {
		if text := netnstest.Run(t, seen, "nft list counter ip seen stranger"); !strings.Contains(text, "packets 0 ") {
			t.Errorf("an address of the tenant's has left: %s", text)
		}
	}
	if text := netnstest.Run(t, outside, "nft list counter ip seen own"); strings.Contains(text, "packets 0 ") {
		t.Error("nothing has been counted")
	}
	// Nor is the node content with an address that the gateway lets out.
	netnstest.Run(t, gateway, "nft flush ruleset")
	netnstest.SendSYNACK(t, pod.path, "10.200.0.16", "10.99.0.50")
	netnstest.Blocked(t, pod.path, "10.99.0.50")
	if text := netnstest.Run(t, outside, "nft list counter ip seen stranger"); !strings.Contains(text, "packets 0 ") {
		t.Errorf("the node has passed on an address of the tenant's: %s", text)
	}
}

// A tenant that floods fills neither its gateway's nor the node's table of
// connections, and another opens connections meanwhile.
func TestFloodOfConnections(t *testing.T) {
	const datagrams = 4000
	for name, limit := range map[string]fabric.ConnectionLimit{
		"connections at a time":  {Max: 60, PerSecond: 100000},
		"connections per second": {Max: 100000, PerSecond: 20},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			w.config.EgressAllow = []netip.Prefix{netip.MustParsePrefix("10.99.0.50/32")}
			w.config.Connections = limit
			w.outsideOf("10.99.0.50")
			w.addNetwork(red)
			w.addNetwork(blue)
			flooding, other := w.guest(red), w.guest(blue)
			started := time.Now()
			most := func() int {
				// A second's worth may come at once; then it takes time.
				return int(min(limit.Max, limit.PerSecond*uint32(2+time.Since(started).Seconds())))
			}
			gateway, node := w.nodes[0].host.path(fabric.GatewayNamespace(red)), w.nodes[0].host.path("")
			must(t, netnstest.Do(flooding.path, func() error { return flood("10.99.0.50", datagrams) }))
			for _, path := range []string{gateway, node} {
				if got := connections(t, path); got == 0 || got > most() {
					t.Errorf("%d connections in %s, want at most %d", got, path, most())
				}
			}
			netnstest.Reaches(t, other.path, "10.99.0.50", "outside heard 10.99.0.1")
			dropped := netnstest.Run(t, gateway, "nft list chain ip slipway forward")
			if strings.Count(dropped, "counter packets 0 ") != 1 {
				t.Errorf("what was dropped has not been counted:\n%s", dropped)
			}
			// The node has its own limit, should the gateway's be gone.
			netnstest.Run(t, gateway, "nft delete chain ip slipway forward")
			must(t, netnstest.Do(flooding.path, func() error { return flood("10.99.0.50", datagrams) }))
			const others = 1 // the one that the other tenant has opened
			if got := connections(t, node); got > most()+others {
				t.Errorf("%d connections in the node without the gateway's limit, want at most %d", got, most()+others)
			}
			netnstest.Reaches(t, other.path, "10.99.0.50", "outside heard 10.99.0.1")
		})
	}
}

// flood sends datagrams to varying ports.
func flood(address string, datagrams int) error {
	conn, err := net.ListenUDP("udp4", nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	for i := range datagrams {
		// What the kernel refuses to send is no flood.
		_, _ = conn.WriteToUDP([]byte("x"), &net.UDPAddr{IP: net.ParseIP(address), Port: 10000 + i})
	}
	return nil
}

func connections(t *testing.T, path string) int {
	t.Helper()
	var text []byte
	must(t, netnstest.Do(path, func() (err error) {
		text, err = os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_count")
		return err
	}))
	count, err := strconv.Atoi(strings.TrimSpace(string(text)))
	must(t, err)
	return count
}
