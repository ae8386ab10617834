package netconf

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"slipway.dev/guest/blockdev"
	"slipway.dev/guest/cloudinit"
)

// inNamespace gives the test a network namespace of its own. Its thread is never used again, and ends with the test.
func inNamespace(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatalf("network namespace: %v", err)
	}
}

func TestApply(t *testing.T) {
	inNamespace(t)
	mac := net.HardwareAddr{2, 0, 10, 0, 0, 2}
	config := cloudinit.Ethernet{
		Name: "ignored, as there is a MAC address", MAC: mac, MTU: 1400,
		Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24"), netip.MustParsePrefix("fd00::2/64")},
		Routes: []cloudinit.Route{
			{Via: netip.MustParseAddr("10.5.0.1")}, // behind the route on the link, which comes later
			{To: netip.MustParsePrefix("10.5.0.0/24")},
			{To: netip.MustParsePrefix("10.9.0.0/16"), Via: netip.MustParseAddr("10.0.0.1"), Metric: 7},
		},
	}
	if err := Apply(config); !errors.Is(err, blockdev.ErrNotFound) {
		t.Fatalf("without the interface: %v, want ErrNotFound", err)
	}
	link := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "nic0", HardwareAddr: mac}}
	if err := netlink.LinkAdd(link); err != nil {
		t.Fatal(err)
	}
	for range 2 { // applying again changes nothing
		if err := Apply(config); err != nil {
			t.Fatal(err)
		}
	}
	got, err := netlink.LinkByName("nic0")
	if err != nil {
		t.Fatal(err)
	}
	if got.Attrs().MTU != 1400 || got.Attrs().Flags&net.FlagUp == 0 {
		t.Errorf("MTU %d, flags %v", got.Attrs().MTU, got.Attrs().Flags)
	}
	addresses, err := netlink.AddrList(got, netlink.FAMILY_V4)
	if err != nil || len(addresses) != 1 || addresses[0].IPNet.String() != "10.0.0.2/24" {
		t.Errorf("addresses %v, %v", addresses, err)
	}
	for destination, gateway := range map[string]string{"192.0.2.1": "10.5.0.1", "10.9.1.1": "10.0.0.1"} {
		routes, err := netlink.RouteGet(net.ParseIP(destination))
		if err != nil || len(routes) != 1 || routes[0].Gw.String() != gateway {
			t.Errorf("route to %s: %v, %v, want via %s", destination, routes, err, gateway)
		}
	}
}

func TestLoopback(t *testing.T) {
	inNamespace(t)
	if err := Loopback(); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
}
