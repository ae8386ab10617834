package boottest

import (
	"net"
	"testing"

	"github.com/vishvananda/netlink"
)

// The one network of the test: the control plane is at its gateway.
const (
	gateway      = "10.77.0.1"
	guestAddress = "10.77.0.2"
	guestMAC     = "02:00:0a:4d:00:02"
	tapName      = "guest0"
	podCIDR      = "10.244.0.0/16"
	serviceCIDR  = "10.96.0.0/16"
)

// plugNetwork makes a bridge with the gateway's address and, in it, the guest's tap device.
func plugNetwork(t *testing.T) {
	t.Helper()
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "fabric0"}}
	if err := netlink.LinkAdd(bridge); err != nil {
		t.Fatalf("add bridge: %v", err)
	}
	t.Cleanup(func() { _ = netlink.LinkDel(bridge) })
	address, err := netlink.ParseAddr(gateway + "/24")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.AddrAdd(bridge, address); err != nil {
		t.Fatalf("add gateway address: %v", err)
	}
	tap := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: tapName}, Mode: netlink.TUNTAP_MODE_TAP}
	if err := netlink.LinkAdd(tap); err != nil {
		t.Fatalf("add tap: %v", err)
	}
	t.Cleanup(func() { _ = netlink.LinkDel(tap) })
	if err := netlink.LinkSetMaster(tap, bridge); err != nil {
		t.Fatalf("plug tap: %v", err)
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range []netlink.Link{lo, bridge, tap} {
		if err := netlink.LinkSetUp(link); err != nil {
			t.Fatalf("set %s up: %v", link.Attrs().Name, err)
		}
	}
	// Pods, and Services by way of kube-proxy, are reached through the guest.
	for _, cidr := range []string{podCIDR, serviceCIDR} {
		destination, err := netlink.ParseIPNet(cidr)
		if err != nil {
			t.Fatal(err)
		}
		if err := netlink.RouteAdd(&netlink.Route{Dst: destination, Gw: net.ParseIP(guestAddress)}); err != nil {
			t.Fatalf("route to %s: %v", cidr, err)
		}
	}
}
