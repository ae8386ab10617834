package wiring

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"slipway.dev/sandbox/layout"
	"slipway.dev/sandbox/netns"
)

// connected makes the namespaces of a sandbox named after the test process.
func connected(t *testing.T, nodes int) layout.Layout {
	t.Helper()
	p, err := layout.New(fmt.Sprintf("wiring-%d", os.Getpid()), nodes)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range p.Namespaces() {
		if err := netns.Create(name); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := netns.Delete(name); err != nil {
				t.Error(err)
			}
		})
	}
	if err := Connect(p); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestNodesReachHubAndEachOther(t *testing.T) {
	p := connected(t, 2)
	targets := map[string]netip.Addr{
		p.HubNamespace():     layout.HubAddress,
		p.Nodes[0].Namespace: p.Nodes[0].Address,
	}
	for namespace, address := range targets {
		var listener net.Listener
		err := netns.Do(namespace, func() (err error) {
			listener, err = net.Listen("tcp4", netip.AddrPortFrom(address, 7000).String())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() })
		err = netns.Do(p.Nodes[1].Namespace, func() error {
			conn, err := net.Dial("tcp4", listener.Addr().String())
			if err != nil {
				return err
			}
			return conn.Close()
		})
		if err != nil {
			t.Errorf("node 1 to %s: %v", address, err)
		}
	}
}

func TestNothingLeadsOut(t *testing.T) {
	p := connected(t, 2)
	for _, name := range p.Namespaces() {
		err := netns.Do(name, func() error {
			if _, err := net.Dial("udp4", "192.0.2.1:9"); err == nil {
				t.Errorf("%s has a route to an outside address", name)
			}
			routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
			for _, r := range routes {
				if r.Dst == nil || r.Dst.IP.IsUnspecified() {
					t.Errorf("%s has a default route: %v", name, r)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestNodeRoutes(t *testing.T) {
	p, err := layout.New("demo", 3)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range nodeRoutes(p, p.Nodes[1]) {
		got = append(got, fmt.Sprint(r.to, " ", r.via))
	}
	want := []string{"172.31.0.0/24 172.30.0.10", "172.31.2.0/24 172.30.0.12", "172.29.0.0/16 invalid IP"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("routes of node 1 (-want +got):\n%s", diff)
	}
}
