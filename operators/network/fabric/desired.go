package fabric

import (
	"cmp"
	"net/netip"
	"slices"

	"slipway.dev/api/v1alpha1"
)

// Config is what one node knows of itself.
type Config struct {
	NodeName string
	VTEP     netip.Addr
	// Port is the UDP port of the tunnels.
	Port uint16
	// Uplink is the range from which each gateway's link to the node is numbered.
	Uplink netip.Prefix
	// EgressAllow are the ranges that tenants may open connections to through
	// the node, EgressDeny what is taken out of them again. Management nodes
	// are never among them.
	EgressAllow, EgressDeny []netip.Prefix
	// Management are the ranges of the management cluster's pods and Services,
	// which are never among them either.
	Management []netip.Prefix
	// Connections limits what each tenant has through the node.
	Connections ConnectionLimit
}

// ConnectionLimit is a tenant's share of the table of connections: how many it
// may have at a time, and how many it may open in a second. Zero is no limit.
type ConnectionLimit struct {
	Max, PerSecond uint32
}

// Input is everything that decides what a node must have.
type Input struct {
	Config
	Hosts       []v1alpha1.HostNetwork
	Networks    []v1alpha1.TenantNetwork
	Ports       []v1alpha1.NetworkPort
	Attachments []Attachment
	// Observed is what the node has. It only decides where the objects are
	// there and say nothing.
	Observed State
}

// network is one tenant's network with what this node needs to know of it.
type network struct {
	vni              int32
	generation       int64 // that the status was made for
	alias            string
	mtu              int
	gateway          netip.Prefix
	gatewayMAC       string
	pods, services   netip.Prefix
	ports            []port
	nodeUp, tenantUp netip.Addr // ends of the uplink
	// lostPorts tells that a port is there whose status says nothing.
	lostPorts bool
}

// port is a NIC that has an identity.
type port struct {
	ip     netip.Addr
	mac    string
	routes []netip.Prefix
	egress []v1alpha1.EgressRule
	isPod  bool
	// local NICs on this node; the newest is in use.
	local []Attachment
	// tunnel leads to the node that has the NIC; invalid when that is this one,
	// or none.
	tunnel netip.Addr
}

// Desired is the state that the node must have: every network that has a NIC
// here, and nothing else. What is programmed for objects that are there but have
// lost their status is part of it. Programmed reports what it contains.
func Desired(in Input) (state State, programmed []v1alpha1.ProgrammedNetwork) {
	networks := carried(in)
	for _, n := range networks {
		addLinks(&state, in.Config, n)
		addGateway(&state, in.Connections, n)
		for _, p := range n.ports {
			addPort(&state, n, p)
		}
		if n.lostPorts {
			keepStrangers(&state, in.Observed, n)
			keepPodTables(&state, in.Observed, n)
		}
		programmed = append(programmed, v1alpha1.ProgrammedNetwork{VNI: n.vni, UID: n.alias, Generation: n.generation, Ports: int32(len(n.ports))})
	}
	keepNICs(&state, in.Observed, withoutIdentity(in, networks))
	if len(networks) > 0 {
		state.Tables = append(state.Tables, nodeTable(in, networks), limitTable(in.Connections))
	}
	return state, programmed
}

// carried are the networks that have a NIC on this node, by identifier.
func carried(in Input) []network {
	here := map[string]bool{}
	known := map[string]bool{}
	for _, p := range in.Ports {
		known[string(p.UID)] = true
	}
	for _, a := range in.Attachments {
		if known[a.PortUID] {
			here[a.NetworkUID] = true
		}
	}
	var networks []network
	for _, tn := range in.Networks {
		if !here[string(tn.UID)] {
			continue
		}
		if n, ok := convertNetwork(in, recollectNetwork(in.Observed, tn)); ok {
			networks = append(networks, n)
		}
	}
	slices.SortFunc(networks, func(a, b network) int { return cmp.Compare(a.vni, b.vni) })
	return networks
}

// convertNetwork says false when the network has no identity yet.
func convertNetwork(in Input, tn v1alpha1.TenantNetwork) (network, bool) {
	nodes, nodesErr := netip.ParsePrefix(string(tn.Spec.NodeCIDR))
	pods, podsErr := netip.ParsePrefix(string(tn.Spec.PodCIDR))
	services, servicesErr := netip.ParsePrefix(string(tn.Spec.ServiceCIDR))
	if tn.Status.VNI == nil || tn.Status.Gateway == nil || tn.Status.MTU == 0 ||
		nodesErr != nil || podsErr != nil || servicesErr != nil {
		return network{}, false
	}
	gateway, err := netip.ParseAddr(tn.Status.Gateway.IPAddress)
	if err != nil {
		return network{}, false
	}
	n := network{
		vni: *tn.Status.VNI, generation: tn.Status.ObservedGeneration, alias: string(tn.UID), mtu: int(tn.Status.MTU),
		gateway: netip.PrefixFrom(gateway, nodes.Bits()), gatewayMAC: tn.Status.Gateway.MACAddress,
		pods: pods, services: services,
	}
	n.nodeUp, n.tenantUp = uplinkAddresses(in.Uplink, n.vni)
	taken := map[netip.Prefix]bool{}
	for _, np := range sortedPorts(in.Ports, tn) {
		if p, ok := convertPort(in, np, n.vni, pods, taken); ok {
			n.ports = append(n.ports, p)
		} else if lost(np) {
			n.lostPorts = true
		}
	}
	return n, true
}

func sortedPorts(ports []v1alpha1.NetworkPort, tn v1alpha1.TenantNetwork) []v1alpha1.NetworkPort {
	var own []v1alpha1.NetworkPort
	for _, p := range ports {
		if p.Namespace == tn.Namespace && p.Spec.NetworkName == tn.Name {
			own = append(own, p)
		}
	}
	slices.SortFunc(own, func(a, b v1alpha1.NetworkPort) int { return cmp.Compare(a.Name, b.Name) })
	return own
}

// convertPort says false when the port has no identity yet. Of routes, only
// those inside the pods' range count, and each only for the first that has it:
// a tenant decides what its nodes' ranges are, but not beyond its own.
func convertPort(in Input, np v1alpha1.NetworkPort, vni int32, pods netip.Prefix, taken map[netip.Prefix]bool) (port, bool) {
	p := port{mac: np.Status.MACAddress, isPod: np.Spec.PodName != "", egress: np.Spec.ManagementEgress}
	for _, text := range np.Spec.Routes {
		route, err := netip.ParsePrefix(string(text))
		if err != nil || !pods.Contains(route.Addr()) || route.Bits() < pods.Bits() || taken[route] {
			continue
		}
		taken[route] = true
		p.routes = append(p.routes, route)
	}
	ip, err := netip.ParseAddr(np.Status.IPAddress)
	if err != nil || p.mac == "" {
		return port{}, false
	}
	p.ip = ip
	for _, a := range in.Attachments {
		if a.PortUID == string(np.UID) {
			p.local = append(p.local, a)
		}
	}
	slices.SortFunc(p.local, func(a, b Attachment) int { return cmp.Compare(b.Index, a.Index) })
	if at := np.Status.Attachment; at != nil && at.NodeName != in.NodeName {
		if p.tunnel = tunnelTo(in.Hosts, at.NodeName); !p.tunnel.IsValid() {
			p.tunnel = recollectTunnel(in.Observed, vni, p.mac)
		}
	}
	return p, true
}

func tunnelTo(hosts []v1alpha1.HostNetwork, name string) netip.Addr {
	for _, h := range hosts {
		if h.Name == name {
			vtep, _ := netip.ParseAddr(h.Spec.VTEP)
			return vtep
		}
	}
	return netip.Addr{}
}
