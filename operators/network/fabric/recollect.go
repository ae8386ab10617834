package fabric

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/sets"

	"slipway.dev/api/v1alpha1"
)

// What is programmed stays until it is known to be unwanted. An object that is
// there but says nothing of its network's identity, as after a restore without
// status, is not known to be unwanted: here the kernel answers in its stead.

// vniOf is the identifier in the name of one of a network's own links; 0 for
// any other name.
func vniOf(name string) int32 {
	if len(name) < len(portNamePrefix) || name[:len(portNamePrefix)] == portNamePrefix {
		return 0
	}
	digits := name[len(portNamePrefix):]
	if !isHex(digits, 6) {
		return 0
	}
	vni, _ := strconv.ParseInt(digits, 16, 32)
	return int32(vni)
}

// Present are the networks that have links on the node, by identifier.
func Present(observed State) []v1alpha1.ProgrammedNetwork {
	uids := map[int32]string{}
	for _, l := range observed.Links {
		if vni := vniOf(l.Name); l.Namespace == "" && vni != 0 && l.Alias != "" {
			uids[vni] = l.Alias
		}
	}
	var present []v1alpha1.ProgrammedNetwork
	for _, vni := range sortedKeys(uids) {
		present = append(present, v1alpha1.ProgrammedNetwork{VNI: vni, UID: uids[vni]})
	}
	return present
}

// recollectNetwork fills in what the status lacks from the links that the
// network has on this node.
func recollectNetwork(observed State, tn v1alpha1.TenantNetwork) v1alpha1.TenantNetwork {
	for _, l := range observed.Links {
		alias, _ := ParseAlias(l.Alias)
		if l.Namespace != "" || alias.NetworkUID != string(tn.UID) {
			continue
		}
		if vni := vniOf(l.Name); tn.Status.VNI == nil && vni != 0 {
			tn.Status.VNI = &vni
		}
		if tn.Status.MTU == 0 {
			tn.Status.MTU = int32(l.MTU)
		}
	}
	if gateway, err := v1alpha1.GatewayAddress(tn.Spec.NodeCIDR); err == nil && tn.Status.Gateway == nil && tn.Status.VNI != nil {
		tn.Status.Gateway = &v1alpha1.Gateway{IPAddress: gateway.String(), MACAddress: MAC(*tn.Status.VNI, gateway).String()}
	}
	return tn
}

// recollectTunnel is where frames for a hardware address go at present; for a
// port on a node whose HostNetwork is missing.
func recollectTunnel(observed State, vni int32, mac string) netip.Addr {
	for _, f := range observed.Forwarding {
		if f.Link == vxlanName(vni) && f.MAC == mac && f.Tunnel.IsValid() {
			return f.Tunnel
		}
	}
	return netip.Addr{}
}

// addressRefusals are the reasons why a port has no address and is not to have one.
var addressRefusals = sets.New(v1alpha1.ReasonInvalidAddress, v1alpha1.ReasonAddressTaken, v1alpha1.ReasonAddressFixed, v1alpha1.ReasonNetworkFull)

// lost reports whether a port is without an address although nobody has refused
// it one: it is new, or its status is gone.
func lost(np v1alpha1.NetworkPort) bool {
	if np.Status.IPAddress != "" {
		return false
	}
	ready := meta.FindStatusCondition(np.Status.Conditions, v1alpha1.ConditionReady)
	return ready == nil || !addressRefusals.Has(ready.Reason)
}

// keepNICs keeps NICs as they are whose port, or network, has no identity to
// tell how they should be.
func keepNICs(s *State, observed State, nics []Attachment) {
	for _, a := range nics {
		guard := PortTablePrefix + a.Link
		for _, l := range observed.Links {
			if l.Namespace == "" && l.Name == a.Link {
				s.Links = append(s.Links, l)
			}
		}
		for _, f := range observed.Forwarding {
			if f.Link == a.Link {
				s.Forwarding = append(s.Forwarding, f)
			}
		}
		for _, t := range observed.Tables {
			if t.Namespace == "" && t.Name == guard || t.Namespace == a.Namespace && a.Namespace != "" {
				s.Tables = append(s.Tables, t)
			}
		}
	}
}

// keepStrangers keeps the entries that none of the network's ports explains,
// while one of its ports has lost its identity: they may be that one's.
func keepStrangers(s *State, observed State, n network) {
	macs, addresses, routes := map[string]bool{}, map[netip.Addr]bool{}, map[netip.Prefix]bool{}
	for _, p := range n.ports {
		macs[p.mac], addresses[p.ip] = true, true
		for _, r := range p.routes {
			routes[r] = true
		}
	}
	ns := GatewayNamespace(n.vni)
	for _, f := range observed.Forwarding {
		if f.Link == vxlanName(n.vni) && !macs[f.MAC] {
			s.Forwarding = append(s.Forwarding, f)
		}
	}
	for _, e := range observed.Neighbours {
		own := e.Namespace == ns && e.Link == GatewayFabric || e.Namespace == "" && e.Link == bridgeName(n.vni)
		if own && !macs[e.MAC] && !addresses[e.IP] {
			s.Neighbours = append(s.Neighbours, e)
		}
	}
	for _, r := range observed.Routes {
		if r.Namespace == ns && r.Link == GatewayFabric && !addresses[r.Via] && !routes[r.Destination] {
			s.Routes = append(s.Routes, r)
		}
	}
}

// tunnelEnds are the other nodes' ends of the tunnels, with those that are in
// use to nodes whose HostNetwork is missing.
func tunnelEnds(in Input, networks []network) []netip.Addr {
	var addresses []netip.Addr
	for _, h := range in.Hosts {
		if vtep, err := netip.ParseAddr(h.Spec.VTEP); err == nil && vtep != in.VTEP {
			addresses = append(addresses, vtep)
		}
	}
	for _, n := range networks {
		for _, p := range n.ports {
			if p.tunnel.IsValid() {
				addresses = append(addresses, p.tunnel)
			}
		}
		if !n.lostPorts {
			continue
		}
		for _, f := range in.Observed.Forwarding {
			if f.Link == vxlanName(n.vni) && f.Tunnel.IsValid() {
				addresses = append(addresses, f.Tunnel)
			}
		}
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	return slices.Compact(addresses)
}

// withoutIdentity are the NICs on this node of known ports that no converted
// network accounts for.
func withoutIdentity(in Input, networks []network) []Attachment {
	accounted := map[string]bool{}
	for _, n := range networks {
		for _, p := range n.ports {
			for _, a := range p.local {
				accounted[a.Link] = true
			}
		}
	}
	known := map[string]bool{}
	for _, p := range in.Ports {
		// Two ports must not speak for one address: whoever was refused it goes.
		known[string(p.UID)] = p.Status.IPAddress != "" || lost(p)
	}
	for _, tn := range in.Networks {
		known[string(tn.UID)] = true
	}
	var nics []Attachment
	for _, a := range in.Attachments {
		if known[a.PortUID] && known[a.NetworkUID] && !accounted[a.Link] {
			nics = append(nics, a)
		}
	}
	slices.SortFunc(nics, func(a, b Attachment) int { return cmp.Compare(a.Link, b.Link) })
	return nics
}

// keepPodTables keeps the tables in the namespaces of the network's pods, which
// list the addresses of all its ports, while one of these has lost its own.
func keepPodTables(s *State, observed State, n network) {
	pods := map[string]bool{}
	for _, p := range n.ports {
		for _, a := range p.local {
			pods[a.Namespace] = a.Namespace != ""
		}
	}
	for i, t := range s.Tables {
		at := slices.IndexFunc(observed.Tables, func(o Table) bool {
			return o.Namespace == t.Namespace && o.Family == t.Family && o.Name == t.Name
		})
		if pods[t.Namespace] && at >= 0 {
			s.Tables[i] = observed.Tables[at]
		}
	}
}
