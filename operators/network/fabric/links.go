package fabric

import "net/netip"

// Roles of a network's links on the node, in their hardware addresses.
const (
	roleBridge byte = iota + 1
	roleVXLAN
	roleGateway
	roleUplink
)

// addLinks adds the network's bridge and tunnel device on the node.
func addLinks(s *State, config Config, n network) {
	bridge := bridgeName(n.vni)
	s.Links = append(s.Links,
		Link{
			Name: bridge, Kind: KindBridge, Alias: n.alias, MAC: hostMAC(n.vni, roleBridge), MTU: n.mtu, Up: true,
		},
		Link{
			Name: vxlanName(n.vni), Kind: KindVXLAN, Alias: n.alias, MAC: hostMAC(n.vni, roleVXLAN), MTU: n.mtu, Up: true,
			VNI: n.vni, Local: config.VTEP, Port: config.Port,
			// Addresses are programmed. The bridge answers for what is behind the tunnel.
			Master: bridge, Bridge: BridgePort{NeighbourSuppression: true},
		},
	)
	s.Sysctls = append(s.Sysctls,
		// The node has no part in the tenant's network, although it holds the
		// bridge: it neither routes for it nor answers for its own addresses.
		Sysctl{Key: "ipv4/conf/" + bridge + "/forwarding", Value: "0"},
		Sysctl{Key: "ipv4/conf/" + bridge + "/arp_ignore", Value: "8"},
		Sysctl{Key: "ipv6/conf/" + bridge + "/disable_ipv6", Value: "1"},
	)
}

// addGateway adds the gateway's namespace, which is the same on every node but
// for its way out.
func addGateway(s *State, limit ConnectionLimit, n network) {
	ns, link, uplink := GatewayNamespace(n.vni), gatewayName(n.vni), uplinkName(n.vni)
	s.Namespaces = append(s.Namespaces, Namespace{Name: ns, Alias: n.alias})
	s.Links = append(s.Links,
		Link{
			Name: link, Kind: KindVeth, Alias: n.alias, MAC: hostMAC(n.vni, roleGateway), MTU: n.mtu, Up: true,
			Master: bridgeName(n.vni), Peer: GatewayFabric, PeerNamespace: ns,
		},
		Link{Namespace: ns, Name: GatewayFabric, Kind: KindVeth, Alias: n.alias, MAC: n.gatewayMAC, MTU: n.mtu, Up: true},
		Link{
			Name: uplink, Kind: KindVeth, Alias: n.alias, MAC: hostMAC(n.vni, roleUplink), MTU: n.mtu, Up: true,
			Peer: GatewayUplink, PeerNamespace: ns,
		},
		Link{Namespace: ns, Name: GatewayUplink, Kind: KindVeth, Alias: n.alias, MTU: n.mtu, Up: true},
	)
	s.Addresses = append(s.Addresses,
		Address{Namespace: ns, Link: GatewayFabric, Prefix: n.gateway},
		Address{Namespace: ns, Link: GatewayUplink, Prefix: netip.PrefixFrom(n.tenantUp, 30)},
		Address{Link: uplink, Prefix: netip.PrefixFrom(n.nodeUp, 30)},
	)
	s.Forwarding = append(s.Forwarding, ForwardingEntry{Link: link, MAC: n.gatewayMAC})
	s.Routes = append(s.Routes,
		Route{Namespace: ns, Destination: netip.PrefixFrom(netip.IPv4Unspecified(), 0), Via: n.nodeUp, Link: GatewayUplink},
		// What no worker has stays inside.
		Route{Namespace: ns, Destination: n.pods},
		Route{Namespace: ns, Destination: n.services},
	)
	s.Sysctls = append(s.Sysctls, gatewaySysctls(ns, uplink)...)
	s.Tables = append(s.Tables, gatewayTable(limit, n))
}

func gatewaySysctls(ns, uplink string) []Sysctl {
	settings := []Sysctl{
		{Namespace: ns, Key: "ipv4/ip_forward", Value: "1"},
		{Key: "ipv4/conf/" + uplink + "/forwarding", Value: "1"},
		{Key: "ipv6/conf/" + uplink + "/disable_ipv6", Value: "1"},
	}
	for _, link := range []string{"all", GatewayFabric, GatewayUplink} {
		settings = append(settings,
			Sysctl{Namespace: ns, Key: "ipv4/conf/" + link + "/rp_filter", Value: "1"},
			Sysctl{Namespace: ns, Key: "ipv4/conf/" + link + "/send_redirects", Value: "0"},
			Sysctl{Namespace: ns, Key: "ipv6/conf/" + link + "/disable_ipv6", Value: "1"},
		)
	}
	// The gateway has an uplink address that is not the tenant's business.
	return append(settings, Sysctl{Namespace: ns, Key: "ipv4/conf/" + GatewayFabric + "/arp_ignore", Value: "2"})
}

// addPort adds what lets this node's NICs and gateway reach one port, wherever
// it is.
func addPort(s *State, n network, p port) {
	ns := GatewayNamespace(n.vni)
	for _, a := range p.local {
		s.Links = append(s.Links, Link{
			Name: a.Link, Kind: KindVeth, Alias: a.String(), MTU: n.mtu, Up: true, Master: bridgeName(n.vni),
		})
		s.Sysctls = append(s.Sysctls, Sysctl{Key: "ipv6/conf/" + a.Link + "/disable_ipv6", Value: "1"})
		s.Tables = append(s.Tables, portTable(a, p))
		if a.Namespace != "" {
			s.Tables = append(s.Tables, podTable(a, n, p))
		}
	}
	switch {
	case p.tunnel.IsValid():
		vxlan := vxlanName(n.vni)
		s.Forwarding = append(s.Forwarding,
			ForwardingEntry{Link: vxlan, MAC: p.mac},
			ForwardingEntry{Link: vxlan, MAC: p.mac, Tunnel: p.tunnel})
		s.Neighbours = append(s.Neighbours, Neighbour{Link: bridgeName(n.vni), IP: p.ip, MAC: p.mac})
	case len(p.local) > 0:
		s.Forwarding = append(s.Forwarding, ForwardingEntry{Link: p.local[0].Link, MAC: p.mac})
	default:
		return // nowhere to be reached
	}
	s.Neighbours = append(s.Neighbours, Neighbour{Namespace: ns, Link: GatewayFabric, IP: p.ip, MAC: p.mac})
	for _, route := range p.routes {
		s.Routes = append(s.Routes, Route{Namespace: ns, Destination: route, Via: p.ip, Link: GatewayFabric})
	}
}
