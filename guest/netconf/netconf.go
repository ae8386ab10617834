// Package netconf configures the guest's interfaces over netlink.
package netconf

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"slipway.dev/guest/blockdev"
	"slipway.dev/guest/cloudinit"
)

// Loopback brings up the loopback interface, to which the kernel gives its addresses.
func Loopback() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	return netlink.LinkSetUp(lo)
}

// Apply gives an interface its MTU, addresses and routes. It returns blockdev.ErrNotFound while the interface is
// missing, so that blockdev.Await can wait for it.
func Apply(e cloudinit.Ethernet) error {
	link, err := find(e)
	if err != nil {
		return err
	}
	if e.MTU > 0 {
		if err := netlink.LinkSetMTU(link, e.MTU); err != nil {
			return fmt.Errorf("set MTU of %s to %d: %w", link.Attrs().Name, e.MTU, err)
		}
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("set %s up: %w", link.Attrs().Name, err)
	}
	for _, a := range e.Addresses {
		// NODAD: nobody else can have the address, and kubelet cannot bind a tentative one.
		address := &netlink.Addr{IPNet: ipNet(a)}
		if a.Addr().Is6() {
			address.Flags = unix.IFA_F_NODAD
		}
		if err := netlink.AddrReplace(link, address); err != nil {
			return fmt.Errorf("add address %s to %s: %w", a, link.Attrs().Name, err)
		}
	}
	// Routes on the link first: the gateways of the others may lie behind them.
	for _, viaGateway := range []bool{false, true} {
		for _, r := range e.Routes {
			if r.Via.IsValid() != viaGateway {
				continue
			}
			if err := netlink.RouteReplace(route(link, r)); err != nil {
				return fmt.Errorf("add route to %v via %v: %w", r.To, r.Via, err)
			}
		}
	}
	return nil
}

func find(e cloudinit.Ethernet) (netlink.Link, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	for _, l := range links {
		attrs := l.Attrs()
		if attrs.Flags&net.FlagLoopback != 0 {
			continue
		}
		if len(e.MAC) > 0 && bytes.Equal(attrs.HardwareAddr, e.MAC) || len(e.MAC) == 0 && attrs.Name == e.Name {
			return l, nil
		}
	}
	return nil, errors.Join(blockdev.ErrNotFound, fmt.Errorf("interface %s %s", e.Name, e.MAC))
}

func route(link netlink.Link, r cloudinit.Route) *netlink.Route {
	out := &netlink.Route{LinkIndex: link.Attrs().Index, Priority: r.Metric}
	if r.To.IsValid() {
		out.Dst = ipNet(r.To)
	}
	if r.Via.IsValid() {
		out.Gw = r.Via.AsSlice()
		if !r.To.IsValid() {
			out.Dst = ipNet(netip.PrefixFrom(unspecified(r.Via), 0))
		}
	} else {
		out.Scope = netlink.SCOPE_LINK
	}
	if r.OnLink {
		out.Flags |= int(netlink.FLAG_ONLINK)
	}
	return out
}

func unspecified(like netip.Addr) netip.Addr {
	if like.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
