package fabric

import "net/netip"

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
func podTable(a Attachment, n network, p port) Table {
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
	rules := append(onlyPorts(a, n), []Rule{
		{Out: []string{"lo", a.Interface}, Verdict: Accept},
		{Established: true, Verdict: Accept},
		{Protocol: protocolICMPv6, Verdict: Accept}, // neighbour discovery
	}...)
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

// onlyPorts keep a pod from looking for addresses that no NIC has: an API server
// connects wherever its tenant's objects say, and an address that nobody answers
// for takes an entry in the node's one table of neighbours. Where a port has lost
// its address, any may be that one's.
func onlyPorts(a Attachment, n network) []Rule {
	if n.lostPorts {
		return nil
	}
	known := []netip.Addr{n.gateway.Addr()}
	for _, p := range n.ports {
		known = append(known, p.ip)
	}
	out := []string{a.Interface}
	return []Rule{
		{Out: out, DestinationIn: known, Verdict: Accept},
		{Out: out, Destination: n.gateway.Masked(), Verdict: Drop},
	}
}
