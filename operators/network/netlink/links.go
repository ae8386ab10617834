package netlink

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"slipway.dev/operators/network/fabric"
)

func (w *writer) deleteLink(l fabric.Link) error {
	handle, link, err := w.find(l.Namespace, l.Name)
	if err != nil {
		return absent(err)
	}
	return absent(handle.LinkDel(link))
}

// createLink makes a link, down, and marks it as ours. The kernel does both in
// two steps; a link of ours without the mark is one whose making was cut short.
func (w *writer) createLink(l fabric.Link) error {
	handle, err := w.handle(l.Namespace)
	if err != nil {
		return err
	}
	link, done, err := w.newLink(l)
	if err != nil {
		return err
	}
	defer done()
	err = handle.LinkAdd(link)
	if errors.Is(err, unix.EEXIST) {
		existing, findErr := handle.LinkByName(l.Name)
		if findErr != nil {
			return findErr
		}
		if existing.Type() != l.Kind || existing.Attrs().Alias != "" {
			return fmt.Errorf("somebody else has a link of this name: %w", err)
		}
		if err := handle.LinkDel(existing); err != nil {
			return err
		}
		err = handle.LinkAdd(link)
	}
	if err != nil {
		return err
	}
	return handle.LinkSetAlias(link, l.Alias)
}

// newLink also returns what has to be called when the link has been made.
func (w *writer) newLink(l fabric.Link) (netlink.Link, func(), error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = l.Name, l.MTU
	if l.MAC != "" {
		mac, err := net.ParseMAC(l.MAC)
		if err != nil {
			return nil, nil, err
		}
		attrs.HardwareAddr = mac
	}
	switch l.Kind {
	case fabric.KindBridge:
		// Nothing subscribes to groups that cross nodes; queries would only cost.
		return &netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: new(false)}, func() {}, nil
	case fabric.KindVXLAN:
		return &netlink.Vxlan{
			LinkAttrs: attrs, VxlanId: int(l.VNI), SrcAddr: l.Local.AsSlice(), Port: int(l.Port), Learning: false,
		}, func() {}, nil
	case fabric.KindVeth:
		peer, err := w.host.open(l.PeerNamespace)
		if err != nil {
			return nil, nil, err
		}
		return &netlink.Veth{
			LinkAttrs: attrs, PeerName: l.Peer, PeerNamespace: netlink.NsFd(peer), PeerMTU: uint32(l.MTU),
		}, func() { _ = peer.Close() }, nil
	default:
		return nil, nil, fmt.Errorf("unknown kind %q", l.Kind)
	}
}

// updateLink sets everything about a link that can change while it exists.
func (w *writer) updateLink(l fabric.Link) error {
	handle, link, err := w.find(l.Namespace, l.Name)
	if err != nil {
		return err
	}
	attrs := link.Attrs()
	if attrs.Alias != l.Alias {
		if err := handle.LinkSetAlias(link, l.Alias); err != nil {
			return fmt.Errorf("set alias: %w", err)
		}
	}
	if l.MAC != "" && attrs.HardwareAddr.String() != l.MAC {
		mac, err := net.ParseMAC(l.MAC)
		if err != nil {
			return err
		}
		if err := handle.LinkSetHardwareAddr(link, mac); err != nil {
			return fmt.Errorf("set hardware address: %w", err)
		}
	}
	if attrs.MTU != l.MTU {
		if err := handle.LinkSetMTU(link, l.MTU); err != nil {
			return fmt.Errorf("set MTU: %w", err)
		}
	}
	if l.Master != "" {
		if err := plugIn(handle, link, l); err != nil {
			return err
		}
	}
	if l.Up {
		return handle.LinkSetUp(link)
	}
	return handle.LinkSetDown(link)
}

// plugIn makes a link a port of its bridge.
func plugIn(handle *netlink.Handle, link netlink.Link, l fabric.Link) error {
	bridge, err := handle.LinkByName(l.Master)
	if err != nil {
		return fmt.Errorf("find bridge: %w", err)
	}
	if link.Attrs().MasterIndex != bridge.Attrs().Index {
		if err := handle.LinkSetMasterByIndex(link, bridge.Attrs().Index); err != nil {
			return fmt.Errorf("plug into %s: %w", l.Master, err)
		}
	}
	return errors.Join(
		handle.LinkSetLearning(link, l.Bridge.Learning),
		handle.LinkSetFlood(link, l.Bridge.UnicastFlood),
		handle.LinkSetBrNeighSuppress(link, l.Bridge.NeighbourSuppression),
	)
}
