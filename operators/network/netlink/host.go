// Package netlink reads what the fabric has on this node from the kernel, and
// makes the changes that package fabric has planned.
package netlink

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"slipway.dev/operators/network/fabric"
)

// NamespaceDirectory is where container runtimes and `ip netns` name network
// namespaces.
const NamespaceDirectory = "/run/netns"

// Host is one node's kernel. It is not safe for concurrent use.
type Host struct {
	node      netns.NsHandle
	directory string
	// unnamed are the pods' namespaces that have no name anymore, under one that
	// is made up, from an observation to the changes that follow from it.
	unnamed map[string]netns.NsHandle
}

// OwnNamespace is the path of the process's own network namespace.
const OwnNamespace = "/proc/self/ns/net"

// NewHost opens the node's own network namespace, given by its path. directory
// holds the files that name the others.
func NewHost(namespace, directory string) (*Host, error) {
	node, err := openNamespace(namespace)
	if err != nil {
		return nil, err
	}
	return &Host{node: node, directory: directory}, nil
}

// Close gives up the node's namespace.
func (h *Host) Close() error {
	h.releaseUnnamed()
	return h.node.Close()
}

// LinkMTU is the MTU of the link that has an address.
func (h *Host) LinkMTU(address netip.Addr) (int, error) {
	handle, err := netlink.NewHandleAt(h.node, unix.NETLINK_ROUTE)
	if err != nil {
		return 0, fmt.Errorf("open netlink: %w", err)
	}
	defer handle.Close()
	addresses, err := dump(func() ([]netlink.Addr, error) { return handle.AddrList(nil, netlink.FAMILY_V4) })
	if err != nil {
		return 0, fmt.Errorf("list addresses: %w", err)
	}
	for _, a := range addresses {
		if toAddr(a.IP) != address {
			continue
		}
		link, err := handle.LinkByIndex(a.LinkIndex)
		if err != nil {
			return 0, fmt.Errorf("find link of %s: %w", address, err)
		}
		return link.Attrs().MTU, nil
	}
	return 0, fmt.Errorf("no link has address %s", address)
}

// Addresses are the node's own, without loopback and those of the fabric.
func (h *Host) Addresses() ([]netip.Addr, error) {
	handle, err := netlink.NewHandleAt(h.node, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	defer handle.Close()
	links, err := dump(handle.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	fabricOwn := map[int]bool{}
	for _, l := range links {
		_, marked := fabric.ParseAlias(l.Attrs().Alias)
		fabricOwn[l.Attrs().Index] = fabric.OwnedName(l.Attrs().Name, l.Type()) && marked
	}
	found, err := dump(func() ([]netlink.Addr, error) { return handle.AddrList(nil, netlink.FAMILY_V4) })
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	var addresses []netip.Addr
	for _, a := range found {
		if address := toAddr(a.IP); !address.IsLoopback() && !fabricOwn[a.LinkIndex] {
			addresses = append(addresses, address)
		}
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	return slices.Compact(addresses), nil
}

// open opens a namespace by the name that the fabric uses: empty for the node's.
func (h *Host) open(name string) (netns.NsHandle, error) {
	if name == "" {
		return duplicate(h.node)
	}
	if ns, ok := h.unnamed[name]; ok {
		return duplicate(ns)
	}
	return openNamespace(filepath.Join(h.directory, name))
}

func duplicate(ns netns.NsHandle) (netns.NsHandle, error) {
	copied, err := unix.FcntlInt(uintptr(ns), unix.F_DUPFD_CLOEXEC, 0)
	return netns.NsHandle(copied), err
}

// openNamespace fails with os.ErrNotExist for a file that names no namespace
// anymore, or not yet.
func openNamespace(path string) (netns.NsHandle, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(path, &stat); err != nil {
		return netns.None(), fmt.Errorf("open network namespace %s: %w", path, err)
	}
	if stat.Type != unix.NSFS_MAGIC {
		return netns.None(), fmt.Errorf("open network namespace %s: %w", path, os.ErrNotExist)
	}
	return netns.GetFromPath(path)
}

func (h *Host) createNamespace(name string) error {
	if err := os.MkdirAll(h.directory, 0o755); err != nil {
		return err
	}
	path := filepath.Join(h.directory, name)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o444)
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	result := make(chan error, 1)
	go func() {
		// The thread is not unlocked and so ends with the goroutine: nothing
		// else may ever run in the new namespace.
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			result <- fmt.Errorf("make network namespace: %w", err)
			return
		}
		if err := unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, ""); err != nil {
			result <- fmt.Errorf("name network namespace %s: %w", path, err)
			return
		}
		result <- nil
	}()
	return <-result
}

func (h *Host) deleteNamespace(name string) error {
	path := filepath.Join(h.directory, name)
	err := unix.Unmount(path, unix.MNT_DETACH)
	if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("unmount %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// inside runs f on a thread in a namespace of the node.
func (h *Host) inside(name string, f func() error) error {
	ns, err := h.open(name)
	if err != nil {
		return err
	}
	defer ns.Close()
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked, as above
		if err := netns.Set(ns); err != nil {
			result <- fmt.Errorf("enter network namespace %q: %w", name, err)
			return
		}
		result <- f()
	}()
	return <-result
}

// dump repeats a listing that the kernel could not give in one piece.
func dump[T any](list func() ([]T, error)) ([]T, error) {
	for range 4 {
		items, err := list()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return items, err
		}
	}
	return list()
}

func toAddr(ip net.IP) netip.Addr {
	address, _ := netip.AddrFromSlice(ip)
	return address.Unmap()
}

func toPrefix(n *net.IPNet) netip.Prefix {
	if n == nil {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(toAddr(n.IP), bits)
}

func toIPNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
