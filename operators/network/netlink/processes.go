package netlink

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// processes is where the kernel tells of them; the agent sees those of the node.
const processes = "/proc"

// findUnnamed finds namespaces by the processes in them: a pod whose
// namespace has lost its name must be confined all the same. What is found
// stays open, so that a process that ends meanwhile cannot make way for another
// with its number.
func (h *Host) findUnnamed(handle *netlink.Handle, wanted map[int]bool) (map[int]string, error) {
	names := map[int]string{}
	entries, err := os.ReadDir(processes)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	asked := map[string]bool{}
	for _, e := range entries {
		if len(names) == len(wanted) {
			break
		}
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		path := filepath.Join(processes, e.Name(), "ns", "net")
		identity, err := os.Readlink(path)
		if err != nil || asked[identity] {
			continue // it has just ended, or shares a namespace
		}
		asked[identity] = true
		ns, err := openNamespace(path)
		if err != nil {
			continue
		}
		id, err := handle.GetNetNsIdByFd(int(ns))
		if err != nil || !wanted[id] {
			_ = ns.Close()
			continue
		}
		names[id] = fmt.Sprintf("of link-netnsid %d", id)
		h.unnamed[names[id]] = ns
	}
	return names, nil
}

// releaseUnnamed lets go of namespaces, which would outlive their pods.
func (h *Host) releaseUnnamed() {
	for _, ns := range h.unnamed {
		_ = ns.Close()
	}
	h.unnamed = map[string]netns.NsHandle{}
}

// podNamespaces returns the namespaces behind the NICs, by the identifiers that
// the kernel uses. One that has neither name nor process has nobody to confine.
func (h *Host) podNamespaces(handle *netlink.Handle, nics []netlink.Link) (map[int]string, error) {
	names := h.namespaceNames(handle)
	unnamed := map[int]bool{}
	for _, l := range nics {
		if id := l.Attrs().NetNsID; id >= 0 && names[id] == "" {
			unnamed[id] = true
		}
	}
	if len(unnamed) == 0 {
		return names, nil
	}
	found, err := h.findUnnamed(handle, unnamed)
	for id, name := range found {
		names[id] = name
	}
	return names, err
}
