package netlink

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"slipway.dev/operators/network/fabric"
)

// NIC is a veth pair between the node and a pod.
type NIC struct {
	// Namespace is the path of the pod's network namespace.
	Namespace string
	// Interface is its name there, and MAC the hardware address.
	Interface string
	MAC       string
	MTU       int
	Alias     fabric.Alias
}

// Name is the node's end.
func (n NIC) Name() string { return fabric.PortName(n.Alias.ContainerID, n.Interface) }

// Plug makes the pair anew, down and on no bridge yet; the next change to the
// desired state plugs the node's end in.
func (h *Host) Plug(n NIC) error {
	if err := h.Unplug(n.Alias.ContainerID, n.Interface); err != nil {
		return err
	}
	mac, err := net.ParseMAC(n.MAC)
	if err != nil {
		return fmt.Errorf("hardware address of the port: %w", err)
	}
	pod, err := openNamespace(podPath(n.Namespace))
	if err != nil {
		return err
	}
	defer pod.Close()
	handle, err := netlink.NewHandleAt(h.node, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	defer handle.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = n.Name(), n.MTU
	veth := &netlink.Veth{
		LinkAttrs: attrs, PeerName: n.Interface, PeerHardwareAddr: mac, PeerMTU: uint32(n.MTU), PeerNamespace: netlink.NsFd(pod),
	}
	if err := handle.LinkAdd(veth); err != nil {
		return fmt.Errorf("create %s: %w", attrs.Name, err)
	}
	if err := handle.LinkSetAlias(veth, n.Alias.String()); err != nil {
		return errors.Join(fmt.Errorf("mark %s: %w", attrs.Name, err), handle.LinkDel(veth))
	}
	return nil
}

// Unplug removes the NIC of a container; there may be none.
func (h *Host) Unplug(containerID, interfaceName string) error {
	name := fabric.PortName(containerID, interfaceName)
	handle, err := netlink.NewHandleAt(h.node, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	defer handle.Close()
	link, err := handle.LinkByName(name)
	if err != nil {
		return absent(err)
	}
	if alias := link.Attrs().Alias; link.Type() != fabric.KindVeth || alias != "" && !strings.Contains(alias, "/"+containerID+"/") {
		return fmt.Errorf("%s is not the NIC of container %s", name, containerID)
	}
	if err := absent(handle.LinkDel(link)); err != nil {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	return nil
}

// PodSide is how a NIC is set up inside a pod. Without an address it is only
// brought up: whoever is behind it configures itself.
type PodSide struct {
	Address netip.Prefix
	Gateway netip.Addr
	// GatewayMAC is written down, so that nobody has to ask.
	GatewayMAC string
	// Routes lead through the gateway.
	Routes []netip.Prefix
}

// Configure sets up the pod's end of a NIC.
func (h *Host) Configure(n NIC, side PodSide) error {
	pod, err := openNamespace(podPath(n.Namespace))
	if err != nil {
		return err
	}
	defer pod.Close()
	handle, err := netlink.NewHandleAt(pod, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	defer handle.Close()
	link, err := handle.LinkByName(n.Interface)
	if err != nil {
		return fmt.Errorf("find %s in the pod: %w", n.Interface, err)
	}
	if !side.Address.IsValid() {
		return handle.LinkSetUp(link)
	}
	return configure(handle, link, side)
}

func configure(handle *netlink.Handle, link netlink.Link, side PodSide) error {
	if err := handle.AddrReplace(link, &netlink.Addr{IPNet: toIPNet(side.Address)}); err != nil {
		return fmt.Errorf("add address %s: %w", side.Address, err)
	}
	if err := handle.LinkSetUp(link); err != nil {
		return fmt.Errorf("set link up: %w", err)
	}
	mac, err := net.ParseMAC(side.GatewayMAC)
	if err != nil {
		return fmt.Errorf("hardware address of the gateway: %w", err)
	}
	index := link.Attrs().Index
	gateway := &netlink.Neigh{LinkIndex: index, IP: side.Gateway.AsSlice(), HardwareAddr: mac, State: netlink.NUD_PERMANENT}
	if err := handle.NeighSet(gateway); err != nil {
		return fmt.Errorf("add gateway %s: %w", side.Gateway, err)
	}
	for _, r := range side.Routes {
		route := &netlink.Route{LinkIndex: index, Dst: toIPNet(r), Gw: side.Gateway.AsSlice()}
		if err := handle.RouteReplace(route); err != nil {
			return fmt.Errorf("add route to %s: %w", r, err)
		}
	}
	return nil
}

// podPath is where a runtime's name for a namespace is found by a process whose
// root has no /var/run.
func podPath(path string) string {
	if rest, ok := strings.CutPrefix(path, "/var/run/"); ok {
		return "/run/" + rest
	}
	return path
}

// Plugged reports whether the NIC of a container is there.
func (h *Host) Plugged(containerID, interfaceName string) (bool, error) {
	handle, err := netlink.NewHandleAt(h.node, unix.NETLINK_ROUTE)
	if err != nil {
		return false, fmt.Errorf("open netlink: %w", err)
	}
	defer handle.Close()
	link, err := handle.LinkByName(fabric.PortName(containerID, interfaceName))
	if err != nil {
		return false, absent(err)
	}
	return link.Attrs().MasterIndex != 0, nil
}
