package netlink

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"slipway.dev/operators/network/fabric"
)

// Observe reads all that the fabric owns on the node, and the NICs that are
// plugged in.
func (h *Host) Observe() (fabric.State, []fabric.Attachment, error) {
	h.releaseUnnamed()
	var state fabric.State
	attachments, err := h.observeNode(&state)
	if err != nil {
		return fabric.State{}, nil, fmt.Errorf("observe node: %w", err)
	}
	entries, err := os.ReadDir(h.directory)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fabric.State{}, nil, fmt.Errorf("list network namespaces: %w", err)
	}
	for _, e := range entries {
		if !fabric.IsGatewayNamespace(e.Name()) {
			continue
		}
		if err := h.observeGateway(&state, e.Name()); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fabric.State{}, nil, fmt.Errorf("observe gateway %s: %w", e.Name(), err)
		}
	}
	for _, a := range attachments {
		if a.Namespace == "" {
			continue
		}
		tables, err := h.observeTables(a.Namespace)
		if errors.Is(err, os.ErrNotExist) {
			continue // the pod has just ended
		}
		if err != nil {
			return fabric.State{}, nil, fmt.Errorf("observe rules of %s: %w", a.Link, err)
		}
		state.Tables = append(state.Tables, tables...)
	}
	return state, attachments, nil
}

func (h *Host) observeNode(state *fabric.State) ([]fabric.Attachment, error) {
	handle, err := netlink.NewHandleAt(h.node, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	defer handle.Close()
	links, err := dump(handle.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	flags, err := bridgePorts(h.node)
	if err != nil {
		return nil, fmt.Errorf("list bridge ports: %w", err)
	}
	names := map[int]string{}
	for _, l := range links {
		names[l.Attrs().Index] = l.Attrs().Name
	}
	owned := map[int]fabric.Link{}
	var attachments []fabric.Attachment
	links = slices.DeleteFunc(links, func(l netlink.Link) bool {
		_, marked := fabric.ParseAlias(l.Attrs().Alias)
		return !marked || !fabric.OwnedName(l.Attrs().Name, l.Type())
	})
	pods, err := h.podNamespaces(handle, slices.DeleteFunc(slices.Clone(links), func(l netlink.Link) bool {
		alias, _ := fabric.ParseAlias(l.Attrs().Alias)
		return alias.PortUID == ""
	}))
	if err != nil {
		return nil, err
	}
	for _, l := range links {
		alias, _ := fabric.ParseAlias(l.Attrs().Alias)
		link := convertLink(l, "")
		link.Master, link.Bridge = names[l.Attrs().MasterIndex], flags[l.Attrs().Index]
		owned[l.Attrs().Index] = link
		state.Links = append(state.Links, link)
		if alias.PortUID != "" {
			attachments = append(attachments, fabric.Attachment{
				Alias: alias, Link: link.Name, Index: l.Attrs().Index, Namespace: pods[l.Attrs().NetNsID],
			})
		}
	}
	if err := observeAddresses(state, handle, owned); err != nil {
		return nil, err
	}
	if err := observeForwarding(state, handle, owned); err != nil {
		return nil, err
	}
	tables, err := h.observeTables("")
	state.Tables = append(state.Tables, tables...)
	return attachments, err
}

func (h *Host) observeGateway(state *fabric.State, name string) error {
	ns, err := h.open(name)
	if err != nil {
		return err
	}
	defer ns.Close()
	handle, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	defer handle.Close()
	links, err := dump(handle.LinkList)
	if err != nil {
		return fmt.Errorf("list links: %w", err)
	}
	namespace := fabric.Namespace{Name: name}
	owned := map[int]fabric.Link{}
	for _, l := range links {
		if l.Attrs().Name == "lo" {
			continue
		}
		link := convertLink(l, name)
		namespace.Alias = max(namespace.Alias, link.Alias)
		owned[l.Attrs().Index] = link
		state.Links = append(state.Links, link)
	}
	state.Namespaces = append(state.Namespaces, namespace)
	if err := observeAddresses(state, handle, owned); err != nil {
		return err
	}
	if err := observeRoutes(state, handle, name, owned); err != nil {
		return err
	}
	tables, err := h.observeTables(name)
	state.Tables = append(state.Tables, tables...)
	return err
}

func convertLink(l netlink.Link, namespace string) fabric.Link {
	attrs := l.Attrs()
	link := fabric.Link{
		Namespace: namespace, Name: attrs.Name, Kind: l.Type(), Alias: attrs.Alias,
		MAC: attrs.HardwareAddr.String(), MTU: attrs.MTU, Up: attrs.RawFlags&unix.IFF_UP != 0,
	}
	if vxlan, ok := l.(*netlink.Vxlan); ok {
		link.VNI, link.Local, link.Port = int32(vxlan.VxlanId), toAddr(vxlan.SrcAddr), uint16(vxlan.Port)
	}
	return link
}

// observeAddresses also returns the permanent neighbours of the links.
func observeAddresses(state *fabric.State, handle *netlink.Handle, owned map[int]fabric.Link) error {
	addresses, err := dump(func() ([]netlink.Addr, error) { return handle.AddrList(nil, netlink.FAMILY_V4) })
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	for _, a := range addresses {
		if link, ok := owned[a.LinkIndex]; ok {
			state.Addresses = append(state.Addresses, fabric.Address{
				Namespace: link.Namespace, Link: link.Name, Prefix: toPrefix(a.IPNet),
			})
		}
	}
	neighbours, err := dump(func() ([]netlink.Neigh, error) { return handle.NeighList(0, netlink.FAMILY_V4) })
	if err != nil {
		return fmt.Errorf("list neighbours: %w", err)
	}
	for _, n := range neighbours {
		if link, ok := owned[n.LinkIndex]; ok && n.State == netlink.NUD_PERMANENT {
			state.Neighbours = append(state.Neighbours, fabric.Neighbour{
				Namespace: link.Namespace, Link: link.Name, IP: toAddr(n.IP), MAC: n.HardwareAddr.String(),
			})
		}
	}
	return nil
}

// observeForwarding returns the entries that somebody has programmed: those that
// the kernel made for the ports themselves, or has learned, are its own.
func observeForwarding(state *fabric.State, handle *netlink.Handle, owned map[int]fabric.Link) error {
	entries, err := dump(func() ([]netlink.Neigh, error) { return handle.NeighList(0, unix.AF_BRIDGE) })
	if err != nil {
		return fmt.Errorf("list forwarding entries: %w", err)
	}
	for _, e := range entries {
		link, ok := owned[e.LinkIndex]
		if !ok || e.Flags&netlink.NTF_EXT_LEARNED != 0 {
			continue
		}
		entry := fabric.ForwardingEntry{Link: link.Name, MAC: e.HardwareAddr.String()}
		switch {
		case e.MasterIndex != 0 && e.State == netlink.NUD_NOARP:
		case e.MasterIndex == 0 && link.Kind == fabric.KindVXLAN && e.IP != nil:
			entry.Tunnel = toAddr(e.IP)
		default:
			continue
		}
		state.Forwarding = append(state.Forwarding, entry)
	}
	return nil
}

func observeRoutes(state *fabric.State, handle *netlink.Handle, namespace string, owned map[int]fabric.Link) error {
	filter := &netlink.Route{Table: unix.RT_TABLE_MAIN}
	routes, err := dump(func() ([]netlink.Route, error) {
		return handle.RouteListFiltered(netlink.FAMILY_V4, filter, netlink.RT_FILTER_TABLE)
	})
	if err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	for _, r := range routes {
		if r.Protocol == unix.RTPROT_KERNEL {
			continue // comes and goes with an address
		}
		route := fabric.Route{Namespace: namespace, Destination: toPrefix(r.Dst)}
		if r.Type != unix.RTN_UNREACHABLE {
			route.Via, route.Link = toAddr(r.Gw), owned[r.LinkIndex].Name
		}
		state.Routes = append(state.Routes, route)
	}
	return nil
}

// namespaceNames maps the kernel's identifiers of namespaces to their names.
func (h *Host) namespaceNames(handle *netlink.Handle) map[int]string {
	names := map[int]string{}
	entries, err := os.ReadDir(h.directory)
	if err != nil {
		return names // no namespace has a name
	}
	for _, e := range entries {
		ns, err := openNamespace(filepath.Join(h.directory, e.Name()))
		if err != nil {
			continue
		}
		if id, err := handle.GetNetNsIdByFd(int(ns)); err == nil && id >= 0 {
			names[id] = e.Name()
		}
		_ = ns.Close()
	}
	return names
}

// bridgePorts returns the flags of all bridge ports in one go: the library has
// but a function that dumps all of them for each.
func bridgePorts(ns netns.NsHandle) (map[int]fabric.BridgePort, error) {
	socket, err := nl.GetNetlinkSocketAt(ns, netns.None(), unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	defer socket.Close()
	messages, err := dump(func() ([][]byte, error) {
		request := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_DUMP)
		request.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: {Socket: socket}}
		request.AddData(nl.NewIfInfomsg(unix.AF_BRIDGE))
		return request.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
	})
	if err != nil {
		return nil, err
	}
	ports := map[int]fabric.BridgePort{}
	for _, m := range messages {
		header := nl.DeserializeIfInfomsg(m)
		attributes, err := nl.ParseRouteAttrAsMap(m[header.Len():])
		if err != nil {
			return nil, err
		}
		info, ok := attributes[unix.IFLA_PROTINFO|unix.NLA_F_NESTED]
		if !ok {
			continue
		}
		port, err := nl.ParseRouteAttrAsMap(info.Value)
		if err != nil {
			return nil, err
		}
		set := func(kind uint16) bool { return len(port[kind].Value) > 0 && port[kind].Value[0] != 0 }
		ports[int(header.Index)] = fabric.BridgePort{
			Learning:             set(nl.IFLA_BRPORT_LEARNING),
			UnicastFlood:         set(nl.IFLA_BRPORT_UNICAST_FLOOD),
			NeighbourSuppression: set(nl.IFLA_BRPORT_NEIGH_SUPPRESS),
		}
	}
	return ports, nil
}
