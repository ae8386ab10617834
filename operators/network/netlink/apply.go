package netlink

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"slipway.dev/operators/network/fabric"
)

// Apply makes the changes. One that fails does not keep the others from being
// made: one tenant's trouble is not another's. The error names all that failed.
func (h *Host) Apply(c fabric.Changes) error {
	w := writer{host: h, handles: map[string]*netlink.Handle{}}
	defer w.close()
	defer h.releaseUnnamed()
	each(&w, "delete link", c.DeleteLinks, w.deleteLink)
	each(&w, "delete namespace", c.DeleteNamespaces, w.deleteNamespace)
	each(&w, "delete", c.DeleteTables, h.deleteTable)
	each(&w, "create namespace", c.CreateNamespaces, func(ns fabric.Namespace) error { return h.createNamespace(ns.Name) })
	each(&w, "create link", c.CreateLinks, w.createLink)
	unguarded := map[string]bool{}
	each(&w, "replace", c.ReplaceTables, func(t fabric.Table) error {
		err := h.replaceTable(t)
		unguarded[t.Guards] = unguarded[t.Guards] || err != nil
		return err
	})
	w.failed("write settings", "", h.writeSysctls(c.Sysctls))
	each(&w, "update link", slices.DeleteFunc(slices.Clone(c.UpdateLinks), func(l fabric.Link) bool {
		return l.Namespace == "" && unguarded[l.Name] // its guard's failure is reported
	}), w.updateLink)
	each(&w, "delete forwarding entry", c.DeleteForwarding, w.deleteForwarding)
	each(&w, "delete neighbour", c.DeleteNeighbours, w.deleteNeighbour)
	each(&w, "delete route", c.DeleteRoutes, w.deleteRoute)
	each(&w, "delete address", c.DeleteAddresses, w.deleteAddress)
	each(&w, "add address", c.AddAddresses, w.addAddress)
	each(&w, "add neighbour", c.AddNeighbours, w.addNeighbour)
	each(&w, "add forwarding entry", c.AddForwarding, w.addForwarding)
	each(&w, "add route", c.AddRoutes, w.addRoute)
	return errors.Join(w.errors...)
}

// writer makes changes through one netlink handle for each namespace.
type writer struct {
	host    *Host
	handles map[string]*netlink.Handle
	errors  []error
}

func each[T any](w *writer, doing string, items []T, do func(T) error) {
	for _, item := range items {
		w.failed(doing, item, do(item))
	}
}

func (w *writer) failed(doing string, what any, err error) {
	if err == nil {
		return
	}
	if named, ok := what.(interface{ ID() string }); ok {
		what = named.ID()
	}
	w.errors = append(w.errors, fmt.Errorf("%s %+v: %w", doing, what, err))
}

func (w *writer) close() {
	for _, handle := range w.handles {
		handle.Close()
	}
}

func (w *writer) handle(namespace string) (*netlink.Handle, error) {
	if handle := w.handles[namespace]; handle != nil {
		return handle, nil
	}
	ns, err := w.host.open(namespace)
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	handle, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	w.handles[namespace] = handle
	return handle, nil
}

// find opens the namespace and finds the link in it.
func (w *writer) find(namespace, name string) (*netlink.Handle, netlink.Link, error) {
	handle, err := w.handle(namespace)
	if err != nil {
		return nil, nil, err
	}
	link, err := handle.LinkByName(name)
	return handle, link, err
}

// absent ignores the errors that say that there is nothing to delete.
func absent(err error) error {
	var noLink netlink.LinkNotFoundError
	if errors.As(err, &noLink) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) ||
		errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func (w *writer) deleteNamespace(ns fabric.Namespace) error {
	if handle := w.handles[ns.Name]; handle != nil {
		handle.Close() // a socket would keep the namespace alive
		delete(w.handles, ns.Name)
	}
	return w.host.deleteNamespace(ns.Name)
}

func (w *writer) deleteForwarding(e fabric.ForwardingEntry) error {
	return absent(w.changeForwarding(e, (*netlink.Handle).NeighDel))
}

func (w *writer) addForwarding(e fabric.ForwardingEntry) error {
	return w.changeForwarding(e, (*netlink.Handle).NeighSet)
}

func (w *writer) changeForwarding(e fabric.ForwardingEntry, change func(*netlink.Handle, *netlink.Neigh) error) error {
	handle, link, err := w.find("", e.Link)
	if err != nil {
		return err
	}
	mac, err := net.ParseMAC(e.MAC)
	if err != nil {
		return err
	}
	entry := &netlink.Neigh{
		LinkIndex: link.Attrs().Index, Family: unix.AF_BRIDGE, HardwareAddr: mac,
		Flags: netlink.NTF_MASTER, State: netlink.NUD_NOARP,
	}
	if e.Tunnel.IsValid() {
		entry.Flags, entry.State, entry.IP = netlink.NTF_SELF, netlink.NUD_PERMANENT, e.Tunnel.AsSlice()
	}
	return change(handle, entry)
}

func (w *writer) deleteNeighbour(n fabric.Neighbour) error {
	return absent(w.changeNeighbour(n, (*netlink.Handle).NeighDel))
}

func (w *writer) addNeighbour(n fabric.Neighbour) error {
	return w.changeNeighbour(n, (*netlink.Handle).NeighSet)
}

func (w *writer) changeNeighbour(n fabric.Neighbour, change func(*netlink.Handle, *netlink.Neigh) error) error {
	handle, link, err := w.find(n.Namespace, n.Link)
	if err != nil {
		return err
	}
	mac, err := net.ParseMAC(n.MAC)
	if err != nil {
		return err
	}
	return change(handle, &netlink.Neigh{
		LinkIndex: link.Attrs().Index, IP: n.IP.AsSlice(), HardwareAddr: mac, State: netlink.NUD_PERMANENT,
	})
}

func (w *writer) deleteRoute(r fabric.Route) error {
	return absent(w.changeRoute(r, (*netlink.Handle).RouteDel))
}

func (w *writer) addRoute(r fabric.Route) error {
	return w.changeRoute(r, (*netlink.Handle).RouteReplace)
}

func (w *writer) changeRoute(r fabric.Route, change func(*netlink.Handle, *netlink.Route) error) error {
	handle, err := w.handle(r.Namespace)
	if err != nil {
		return err
	}
	route := &netlink.Route{Dst: toIPNet(r.Destination), Protocol: unix.RTPROT_STATIC}
	if !r.Via.IsValid() {
		route.Type = unix.RTN_UNREACHABLE
		return change(handle, route)
	}
	link, err := handle.LinkByName(r.Link)
	if err != nil {
		return err
	}
	route.LinkIndex, route.Gw = link.Attrs().Index, r.Via.AsSlice()
	return change(handle, route)
}

func (w *writer) deleteAddress(a fabric.Address) error {
	handle, link, err := w.find(a.Namespace, a.Link)
	if err != nil {
		return absent(err)
	}
	return absent(handle.AddrDel(link, &netlink.Addr{IPNet: toIPNet(a.Prefix)}))
}

func (w *writer) addAddress(a fabric.Address) error {
	handle, link, err := w.find(a.Namespace, a.Link)
	if err != nil {
		return err
	}
	return handle.AddrReplace(link, &netlink.Addr{IPNet: toIPNet(a.Prefix)})
}

// writeSysctls writes the settings that differ.
func (h *Host) writeSysctls(settings []fabric.Sysctl) error {
	byNamespace := map[string][]fabric.Sysctl{}
	for _, s := range settings {
		byNamespace[s.Namespace] = append(byNamespace[s.Namespace], s)
	}
	var failures []error
	for namespace, settings := range byNamespace {
		failures = append(failures, h.inside(namespace, func() error {
			var failures []error
			for _, s := range settings {
				failures = append(failures, writeSysctl(s))
			}
			return errors.Join(failures...)
		}))
	}
	return errors.Join(failures...)
}

func writeSysctl(s fabric.Sysctl) error {
	path := filepath.Join("/proc/sys/net", s.Key)
	current, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) && strings.HasPrefix(s.Key, "ipv6/") {
		return nil // a kernel without IPv6 has none to turn off
	}
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(current)) == s.Value {
		return nil
	}
	return os.WriteFile(path, []byte(s.Value), 0)
}
