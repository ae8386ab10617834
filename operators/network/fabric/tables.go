package fabric

import (
	"net/netip"
	"slices"
)

// nodeTable keeps the tenants and the node apart. It only ever drops packets
// that come from, or go to, the fabric's own links, and tunnel packets.
func nodeTable(in Input, networks []network) Table {
	var bridges, uplinks []string
	var gateways []netip.Addr
	for _, n := range networks {
		bridges = append(bridges, bridgeName(n.vni))
		uplinks = append(uplinks, uplinkName(n.vni))
		gateways = append(gateways, n.tenantUp)
	}
	egress := egressRules(in, tunnelEnds(in, networks), uplinks)
	return Table{Family: FamilyIPv4, Name: TableName, Chains: []Chain{
		// The host may pass bridged frames through its own firewall. Tenants
		// with the same addresses would share its connections and fragments,
		// so this comes before both (-400 and -200).
		{Name: "untracked", Type: "filter", Hook: "prerouting", Priority: -450, Rules: []Rule{
			{In: bridges, Verdict: NoTrack},
		}},
		// Before any translation: a service address must not become an allowed one.
		{Name: "egress", Type: "filter", Hook: "prerouting", Priority: -350, Rules: egress},
		{Name: "input", Type: "filter", Hook: "input", Priority: 0, Rules: inputRules(in, tunnelEnds(in, networks), bridges, uplinks)},
		{Name: "forward", Type: "filter", Hook: "forward", Priority: 0, Rules: slices.Concat([]Rule{
			{In: bridges, Out: bridges, Verdict: Accept}, // bridged, not routed
			{In: bridges, Verdict: Drop},
			{Out: bridges, Verdict: Drop},
			{In: uplinks, Out: uplinks, Verdict: Drop},
			{Out: uplinks, Established: true, Verdict: Accept},
			{Out: uplinks, Verdict: Drop},
		}, egress)},
		{Name: "masquerade", Type: "nat", Hook: "postrouting", Priority: 100, Rules: []Rule{
			{SourceIn: gateways, Verdict: Masquerade},
		}},
	}}
}

// egressRules decide where tenants may connect to: denied ranges first.
func egressRules(in Input, others []netip.Addr, uplinks []string) []Rule {
	rules := []Rule{{In: uplinks, LocalDestination: true, Verdict: Drop}}
	for _, h := range others {
		rules = append(rules, Rule{In: uplinks, Destination: netip.PrefixFrom(h, h.BitLen()), Verdict: Drop})
	}
	for _, denied := range in.EgressDeny {
		rules = append(rules, Rule{In: uplinks, Destination: denied, Verdict: Drop})
	}
	for _, allowed := range in.EgressAllow {
		rules = append(rules, Rule{In: uplinks, Destination: allowed, Verdict: Accept})
	}
	return append(rules, Rule{In: uplinks, Verdict: Drop})
}

func inputRules(in Input, others []netip.Addr, bridges, uplinks []string) []Rule {
	rules := []Rule{{In: bridges, Verdict: Drop}, {In: uplinks, Verdict: Drop}}
	tunnel := Rule{Protocol: protocolUDP, DestinationPort: in.Port}
	if len(others) > 0 {
		known := tunnel
		known.SourceIn, known.Verdict = others, Accept
		rules = append(rules, known)
	}
	tunnel.Verdict = Drop
	return append(rules, tunnel)
}

// gatewayTable lets workers reach each other's pods and the way out, and lets
// nobody in.
func gatewayTable(n network) Table {
	inside, outside := []string{GatewayFabric}, []string{GatewayUplink}
	return Table{Namespace: GatewayNamespace(n.vni), Family: FamilyIPv4, Name: TableName, Chains: []Chain{
		{Name: "input", Type: "filter", Hook: "input", Rules: []Rule{
			{In: inside, Protocol: protocolICMP, Destination: netip.PrefixFrom(n.gateway.Addr(), 32), Verdict: Accept},
			{Verdict: Drop},
		}},
		{Name: "forward", Type: "filter", Hook: "forward", Rules: []Rule{
			{In: inside, Out: inside, Verdict: Accept},
			{In: inside, Out: outside, Verdict: Accept},
			{In: outside, Out: inside, Established: true, Verdict: Accept},
			{Verdict: Drop},
		}},
		{Name: "masquerade", Type: "nat", Hook: "postrouting", Priority: 100, Rules: []Rule{
			{Out: outside, Verdict: Masquerade},
		}},
	}}
}

// portTable guards one NIC where it meets the bridge: it speaks for its own
// hardware address, its own address and the ranges behind it, and nothing else
// passes: no other protocol, no DHCP server, no router advertisement.
func portTable(a Attachment, p port) Table {
	ip := func(source netip.Prefix) Rule {
		return Rule{EtherType: etherTypeIPv4, EtherSource: p.mac, Source: source, Verdict: Accept}
	}
	rules := []Rule{
		{EtherType: etherTypeARP, EtherSource: p.mac, ARPSenderMAC: p.mac, ARPSender: p.ip, Verdict: Accept},
		// The probe with which a guest finds out whether its address is free.
		{EtherType: etherTypeARP, EtherSource: p.mac, ARPSenderMAC: p.mac, ARPSender: netip.IPv4Unspecified(), Verdict: Accept},
		{EtherType: etherTypeIPv4, Protocol: protocolUDP, SourcePort: 67, Verdict: Drop},
		ip(netip.PrefixFrom(p.ip, p.ip.BitLen())),
	}
	for _, route := range p.routes {
		rules = append(rules, ip(route))
	}
	rules = append(rules, Rule{Verdict: Drop})
	return Table{Family: FamilyNetdev, Name: PortTablePrefix + a.Link, Guards: a.Link, Chains: []Chain{
		{Name: "guard", Type: "filter", Hook: "ingress", Device: a.Link, Rules: rules},
	}}
}

// podTable, in the pod's own namespace, keeps the tenant's network and the
// management network apart, although the pod is on both.
func podTable(a Attachment, p port) Table {
	management := []string{PodInterface}
	t := Table{Namespace: a.Namespace, Family: FamilyInet, Name: TableName, Guards: a.Link, Chains: []Chain{
		{Name: "forward", Type: "filter", Hook: "forward", Rules: []Rule{
			{In: management, Verdict: Drop},
			{Out: management, Verdict: Drop},
		}},
	}}
	if !p.isPod {
		// A guest's frames pass through the pod; its addresses are not for them.
		t.Chains = append(t.Chains, Chain{Name: "input", Type: "filter", Hook: "input", Rules: []Rule{
			{In: []string{"lo", PodInterface}, Verdict: Accept},
			{Verdict: Drop},
		}})
		return t
	}
	rules := []Rule{
		{Out: []string{"lo", a.Interface}, Verdict: Accept},
		{Established: true, Verdict: Accept},
		{Protocol: protocolICMPv6, Verdict: Accept}, // neighbour discovery
	}
	for _, e := range p.egress {
		to, err := netip.ParsePrefix(string(e.CIDR))
		if err != nil {
			continue
		}
		protocol := uint8(protocolTCP)
		if e.Protocol == "UDP" {
			protocol = protocolUDP
		}
		rules = append(rules, Rule{Destination: to, Protocol: protocol, DestinationPort: uint16(e.Port), Verdict: Accept})
	}
	t.Chains = append(t.Chains, Chain{Name: "output", Type: "filter", Hook: "output", Rules: append(rules, Rule{Verdict: Drop})})
	return t
}
