package fabric

import (
	"cmp"
	"maps"
	"slices"
)

// Changes turn an observed state into the desired one when they are made in
// the order of the fields.
type Changes struct {
	DeleteLinks      []Link
	DeleteNamespaces []Namespace
	DeleteTables     []Table

	CreateNamespaces []Namespace
	CreateLinks      []Link
	// ReplaceTables come before links are plugged together: a NIC is never
	// without its guard.
	ReplaceTables []Table
	Sysctls       []Sysctl
	UpdateLinks   []Link

	DeleteForwarding []ForwardingEntry
	DeleteNeighbours []Neighbour
	DeleteRoutes     []Route
	DeleteAddresses  []Address
	AddAddresses     []Address
	AddNeighbours    []Neighbour
	AddForwarding    []ForwardingEntry
	AddRoutes        []Route
}

// Empty reports whether there is nothing to do; settings are written only where
// they differ and do not count.
func (c Changes) Empty() bool {
	return len(c.DeleteLinks)+len(c.DeleteNamespaces)+len(c.DeleteTables)+
		len(c.CreateNamespaces)+len(c.CreateLinks)+len(c.ReplaceTables)+len(c.UpdateLinks)+
		len(c.DeleteForwarding)+len(c.DeleteNeighbours)+len(c.DeleteRoutes)+len(c.DeleteAddresses)+
		len(c.AddAddresses)+len(c.AddNeighbours)+len(c.AddForwarding)+len(c.AddRoutes) == 0
}

type linkKey struct{ namespace, name string }

func (l Link) key() linkKey { return linkKey{l.Namespace, l.Name} }

// Plan compares two states. What depends on a link that is made anew counts as
// gone with the old one, so that everything is replayed at once.
func Plan(observed, desired State) Changes {
	var c Changes
	renewed := planNamespaces(&c, observed, desired)
	gone := planLinks(&c, observed, desired, renewed)
	planTables(&c, observed, desired, renewed)
	c.Sysctls = desired.Sysctls

	left := func(namespace, link string) bool { return !renewed[namespace] && !gone[linkKey{namespace, link}] }
	c.AddAddresses, c.DeleteAddresses = difference(observed.Addresses, desired.Addresses,
		func(a Address) bool { return left(a.Namespace, a.Link) })
	c.AddNeighbours, c.DeleteNeighbours = difference(observed.Neighbours, desired.Neighbours,
		func(n Neighbour) bool { return left(n.Namespace, n.Link) })
	c.AddForwarding, c.DeleteForwarding = difference(observed.Forwarding, desired.Forwarding,
		func(f ForwardingEntry) bool { return left("", f.Link) })
	c.AddRoutes, c.DeleteRoutes = difference(observed.Routes, desired.Routes,
		func(r Route) bool { return left(r.Namespace, r.Link) })
	return c
}

// planNamespaces also renews a namespace that belonged to another network: its
// connections and routes are not the new owner's business. It returns the names
// of all that are deleted or made.
func planNamespaces(c *Changes, observed, desired State) map[string]bool {
	have := map[string]Namespace{}
	for _, ns := range observed.Namespaces {
		have[ns.Name] = ns
	}
	for _, want := range desired.Namespaces {
		ns, exists := have[want.Name]
		delete(have, want.Name)
		if exists && (ns.Alias == "" || ns.Alias == want.Alias) {
			continue
		}
		if exists {
			c.DeleteNamespaces = append(c.DeleteNamespaces, ns)
		}
		c.CreateNamespaces = append(c.CreateNamespaces, want)
	}
	for _, name := range sortedKeys(have) {
		c.DeleteNamespaces = append(c.DeleteNamespaces, have[name])
	}
	renewed := map[string]bool{}
	for _, ns := range slices.Concat(c.DeleteNamespaces, c.CreateNamespaces) {
		renewed[ns.Name] = true
	}
	return renewed
}

// planLinks returns the links that do not survive.
func planLinks(c *Changes, observed, desired State, renewed map[string]bool) map[linkKey]bool {
	have := map[linkKey]Link{}
	for _, l := range observed.Links {
		have[l.key()] = l
	}
	want := map[linkKey]Link{}
	for _, l := range desired.Links {
		want[l.key()] = l
	}
	gone := map[linkKey]bool{}
	lose := func(l Link) {
		gone[l.key()] = true
		if w := want[l.key()]; w.Peer != "" {
			gone[linkKey{w.PeerNamespace, w.Peer}] = true
		}
	}
	for _, l := range observed.Links {
		w, wanted := want[l.key()]
		_, peerThere := have[linkKey{w.PeerNamespace, w.Peer}]
		lostPeer := w.Peer != "" && (renewed[w.PeerNamespace] || !peerThere)
		if renewed[l.Namespace] {
			lose(l) // goes with its namespace
		} else if !wanted || lostPeer || mustRecreate(l, w) {
			c.DeleteLinks = append(c.DeleteLinks, l)
			lose(l)
		}
	}
	for _, w := range desired.Links {
		l, exists := have[w.key()]
		exists = exists && !gone[w.key()]
		if !exists {
			gone[w.key()] = true
			if w.Kind != KindVeth || w.Peer != "" {
				c.CreateLinks = append(c.CreateLinks, w)
			}
		}
		if gone[linkKey{w.Namespace, l.Master}] {
			l.Master, l.Bridge = "", BridgePort{}
		}
		if !exists || mustUpdate(l, w) {
			c.UpdateLinks = append(c.UpdateLinks, w)
		}
	}
	return gone
}

func mustRecreate(have, want Link) bool {
	// A link of a gateway that has no alias yet is one whose making was cut short.
	stranger := have.Alias != want.Alias && have.Alias != ""
	return have.Kind != want.Kind || stranger ||
		have.VNI != want.VNI || have.Local != want.Local || have.Port != want.Port
}

func mustUpdate(have, want Link) bool {
	return want.MAC != "" && have.MAC != want.MAC || have.MTU != want.MTU ||
		have.Master != want.Master || have.Bridge != want.Bridge || have.Up != want.Up || have.Alias != want.Alias
}

func planTables(c *Changes, observed, desired State, renewed map[string]bool) {
	type key struct{ namespace, family, name string }
	have := map[key]Table{}
	for _, t := range observed.Tables {
		have[key{t.Namespace, t.Family, t.Name}] = t
	}
	for _, want := range desired.Tables {
		k := key{want.Namespace, want.Family, want.Name}
		t, exists := have[k]
		delete(have, k)
		if !exists || renewed[want.Namespace] || t.digest() != want.digest() {
			c.ReplaceTables = append(c.ReplaceTables, want)
		}
	}
	for _, t := range observed.Tables {
		if _, left := have[key{t.Namespace, t.Family, t.Name}]; left && !renewed[t.Namespace] {
			c.DeleteTables = append(c.DeleteTables, t)
		}
	}
}

// difference compares two sets; only those observed that are left count.
func difference[T comparable](observed, desired []T, left func(T) bool) (add, remove []T) {
	have := map[T]bool{}
	for _, o := range observed {
		if left(o) {
			have[o] = true
		}
	}
	for _, d := range desired {
		if !have[d] {
			add = append(add, d)
		}
		delete(have, d)
	}
	for _, o := range observed {
		if have[o] {
			remove = append(remove, o)
			delete(have, o)
		}
	}
	return add, remove
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}

// Concern reports whether a change is about what a network should have. The
// node's own table is every network's.
func (c Changes) Concern(desired State, vni int32, uid string) bool {
	ns := GatewayNamespace(vni)
	links := map[linkKey]bool{}
	for _, l := range desired.Links {
		if alias, _ := ParseAlias(l.Alias); alias.NetworkUID == uid {
			links[l.key()] = true
		}
	}
	own := func(namespace, link string) bool { return namespace == ns || links[linkKey{namespace, link}] }
	return slices.ContainsFunc(c.CreateNamespaces, func(n Namespace) bool { return n.Name == ns }) ||
		slices.ContainsFunc(slices.Concat(c.CreateLinks, c.UpdateLinks), func(l Link) bool { return own(l.Namespace, l.Name) }) ||
		slices.ContainsFunc(c.ReplaceTables, func(t Table) bool {
			return t.Namespace == "" && t.Guards == "" || own(t.Namespace, "") || links[linkKey{"", t.Guards}]
		}) ||
		slices.ContainsFunc(slices.Concat(c.DeleteForwarding, c.AddForwarding), func(f ForwardingEntry) bool { return own("", f.Link) }) ||
		slices.ContainsFunc(slices.Concat(c.DeleteNeighbours, c.AddNeighbours), func(n Neighbour) bool { return own(n.Namespace, n.Link) }) ||
		slices.ContainsFunc(slices.Concat(c.DeleteRoutes, c.AddRoutes), func(r Route) bool { return own(r.Namespace, r.Link) }) ||
		slices.ContainsFunc(slices.Concat(c.DeleteAddresses, c.AddAddresses), func(a Address) bool { return own(a.Namespace, a.Link) })
}

// Summary counts the changes by what they are about, for a log.
func (c Changes) Summary() map[string]int {
	counts := map[string]int{
		"linksDeleted": len(c.DeleteLinks), "linksCreated": len(c.CreateLinks), "linksUpdated": len(c.UpdateLinks),
		"namespacesDeleted": len(c.DeleteNamespaces), "namespacesCreated": len(c.CreateNamespaces),
		"tablesDeleted": len(c.DeleteTables), "tablesReplaced": len(c.ReplaceTables),
		"entriesAdded":   len(c.AddAddresses) + len(c.AddNeighbours) + len(c.AddForwarding) + len(c.AddRoutes),
		"entriesDeleted": len(c.DeleteAddresses) + len(c.DeleteNeighbours) + len(c.DeleteForwarding) + len(c.DeleteRoutes),
	}
	maps.DeleteFunc(counts, func(_ string, n int) bool { return n == 0 })
	return counts
}
