// Package wiring connects a sandbox's network namespaces: a bridge in the
// hub's namespace and one veth pair from there to each node. No interface
// leads to the host and there is no default route, so nothing leaves.
package wiring

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"slipway.dev/sandbox/layout"
)

const (
	hubBridge = "hub0"
	// NodeInterface is the name of each node's only uplink.
	NodeInterface = "eth0"
)

// Connect wires the namespaces of p, which exist and are empty.
func Connect(p layout.Layout) error {
	hubHandle, hub, err := open(p.HubNamespace())
	if err != nil {
		return err
	}
	defer closeAll(hubHandle, hub)
	bridge, err := makeHub(hub, p)
	if err != nil {
		return fmt.Errorf("hub: %w", err)
	}
	for _, n := range p.Nodes {
		if err := attach(hub, bridge, p, n); err != nil {
			return fmt.Errorf("node %s: %w", n.Name, err)
		}
	}
	return nil
}

func makeHub(hub *netlink.Handle, p layout.Layout) (netlink.Link, error) {
	if err := loopbackUp(hub); err != nil {
		return nil, err
	}
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: hubBridge}}
	if err := hub.LinkAdd(bridge); err != nil {
		return nil, fmt.Errorf("creating %s: %w", hubBridge, err)
	}
	link, err := setUp(hub, hubBridge, layout.HubAddress)
	if err != nil {
		return nil, err
	}
	return link, addRoutes(hub, link, podRoutes(p.Nodes))
}

func attach(hub *netlink.Handle, bridge netlink.Link, p layout.Layout, n layout.Node) error {
	nodeHandle, node, err := open(n.Namespace)
	if err != nil {
		return err
	}
	defer closeAll(nodeHandle, node)
	port := fmt.Sprintf("node%d", n.Index)
	veth := &netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: port, MasterIndex: bridge.Attrs().Index},
		PeerName:      NodeInterface,
		PeerNamespace: netlink.NsFd(int(nodeHandle)),
	}
	if err := hub.LinkAdd(veth); err != nil {
		return fmt.Errorf("creating veth %s: %w", port, err)
	}
	if err := hub.LinkSetUp(veth); err != nil {
		return fmt.Errorf("setting %s up: %w", port, err)
	}
	if err := loopbackUp(node); err != nil {
		return err
	}
	uplink, err := setUp(node, NodeInterface, n.Address)
	if err != nil {
		return err
	}
	return addRoutes(node, uplink, nodeRoutes(p, n))
}

// route sends a subnet to a gateway, or to whoever is on the link if there is none.
type route struct {
	to  netip.Prefix
	via netip.Addr
}

// nodeRoutes are the routes of one node: to the pods of every other node, and
// to the service subnet. kube-proxy rewrites the latter's packets, but the
// kernel wants a route before it lets a local process send the first one.
func nodeRoutes(p layout.Layout, n layout.Node) []route {
	var others []layout.Node
	for _, other := range p.Nodes {
		if other.Index != n.Index {
			others = append(others, other)
		}
	}
	return append(podRoutes(others), route{to: layout.ServiceSubnet})
}

func podRoutes(nodes []layout.Node) []route {
	var routes []route
	for _, n := range nodes {
		routes = append(routes, route{to: n.PodCIDR, via: n.Address})
	}
	return routes
}

func addRoutes(h *netlink.Handle, link netlink.Link, routes []route) error {
	for _, r := range routes {
		kernel := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet(r.to)}
		if r.via.IsValid() {
			kernel.Gw = r.via.AsSlice()
		} else {
			kernel.Scope = netlink.SCOPE_LINK
		}
		if err := h.RouteAdd(kernel); err != nil {
			return fmt.Errorf("adding route to %s: %w", r.to, err)
		}
	}
	return nil
}

func loopbackUp(h *netlink.Handle) error {
	lo, err := h.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("finding lo: %w", err)
	}
	if err := h.LinkSetUp(lo); err != nil {
		return fmt.Errorf("setting lo up: %w", err)
	}
	return nil
}

func setUp(h *netlink.Handle, name string, address netip.Addr) (netlink.Link, error) {
	link, err := h.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("finding %s: %w", name, err)
	}
	subnet := netip.PrefixFrom(address, layout.NodeSubnet.Bits())
	if err := h.AddrAdd(link, &netlink.Addr{IPNet: ipNet(subnet)}); err != nil {
		return nil, fmt.Errorf("adding %s to %s: %w", subnet, name, err)
	}
	if err := h.LinkSetUp(link); err != nil {
		return nil, fmt.Errorf("setting %s up: %w", name, err)
	}
	return link, nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func open(namespace string) (netns.NsHandle, *netlink.Handle, error) {
	ns, err := netns.GetFromName(namespace)
	if err != nil {
		return 0, nil, fmt.Errorf("opening network namespace %s: %w", namespace, err)
	}
	h, err := netlink.NewHandleAt(ns)
	if err != nil {
		_ = ns.Close()
		return 0, nil, fmt.Errorf("opening netlink in %s: %w", namespace, err)
	}
	return ns, h, nil
}

func closeAll(ns netns.NsHandle, h *netlink.Handle) {
	h.Close()
	_ = ns.Close()
}
