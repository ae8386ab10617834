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
	others := tunnelEnds(in, networks)
	denied, allowed := deniedRules(in, others, uplinks), allowedRules(in, uplinks)
	var received, sent []Rule
	if len(others) > 0 {
		tunnel := Rule{Protocol: protocolUDP, DestinationPort: in.Port, Verdict: NoTrack}
		received, sent = []Rule{tunnel}, []Rule{tunnel}
		received[0].SourceIn, sent[0].DestinationIn = others, others
	}
	return Table{Family: FamilyIPv4, Name: TableName, Chains: []Chain{
		// The host may pass bridged frames through its own firewall. Tenants
		// with the same addresses would share its connections and fragments,
		// so this comes before both (-400 and -200). Tunnel packets have a source
		// port for each connection inside them, of which a tenant has any number.
		{Name: "untracked", Type: "filter", Hook: "prerouting", Priority: -450, Rules: slices.Concat([]Rule{
			{In: bridges, Verdict: NoTrack},
		}, received)},
		{Name: "untrackedOutput", Type: "filter", Hook: "output", Priority: -450, Rules: sent},
		// Before any translation: a service address must not become an allowed one.
		{Name: "egress", Type: "filter", Hook: "prerouting", Priority: -350, Rules: slices.Concat([]Rule{
			{In: uplinks, NoReversePath: true, Verdict: Drop}, // not the gateway's own address
		}, denied, allowed)},
		{Name: "input", Type: "filter", Hook: "input", Priority: 0, Rules: inputRules(in, others, bridges, uplinks)},
		{Name: "forward", Type: "filter", Hook: "forward", Priority: 0, Rules: slices.Concat([]Rule{
			{In: bridges, Out: bridges, Verdict: Accept}, // bridged, not routed
			{In: bridges, Verdict: Drop},
			{Out: bridges, Verdict: Drop},
			{In: uplinks, Out: uplinks, Verdict: Drop},
			{Out: uplinks, Established: true, Verdict: Accept},
			{Out: uplinks, Verdict: Drop},
			{In: uplinks, Invalid: true, Verdict: Drop}, // nothing would translate its source
		}, denied, allowed)},
		{Name: "masquerade", Type: "nat", Hook: "postrouting", Priority: 100, Rules: []Rule{
			{SourceIn: gateways, Verdict: Masquerade},
		}},
	}}
}

// neverAllowed are the ranges that no tenant reaches through a node, whatever it
// is allowed: "this network", loopback, link-local with the metadata services of
// clouds, multicast, and what is reserved, with broadcast.
var neverAllowed = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("224.0.0.0/4"),
	netip.MustParsePrefix("240.0.0.0/4"),
}

// deniedRules decide where tenants may not connect to. The node's own addresses
// are asked for at each packet, so that new ones count at once; those of the
// other nodes come from their HostNetworks.
func deniedRules(in Input, others []netip.Addr, uplinks []string) []Rule {
	rules := []Rule{{In: uplinks, LocalDestination: true, Verdict: Drop}}
	if nodes := nodeAddresses(in, others); len(nodes) > 0 {
		rules = append(rules, Rule{In: uplinks, DestinationIn: nodes, Verdict: Drop})
	}
	for _, denied := range slices.Concat(neverAllowed, []netip.Prefix{in.Uplink}, in.Management, in.EgressDeny) {
		rules = append(rules, Rule{In: uplinks, Destination: denied, Verdict: Drop})
	}
	return rules
}

func allowedRules(in Input, uplinks []string) []Rule {
	var rules []Rule
	for _, allowed := range in.EgressAllow {
		rules = append(rules, Rule{In: uplinks, Destination: allowed, Verdict: Accept})
	}
	return append(rules, Rule{In: uplinks, Verdict: Drop})
}

// nodeAddresses are all that are known of management nodes.
func nodeAddresses(in Input, others []netip.Addr) []netip.Addr {
	addresses := slices.Clone(others)
	for _, h := range in.Hosts {
		for _, text := range h.Spec.Addresses {
			if address, err := netip.ParseAddr(text); err == nil && address.Is4() {
				addresses = append(addresses, address)
			}
		}
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	return slices.Compact(addresses)
}

// limitTable keeps one tenant from filling the node's table of connections,
// which is everybody's. It knows no network by name: to be replaced when one
// comes or goes would let all of them begin anew.
func limitTable(limit ConnectionLimit) Table {
	every := []string{uplinkPrefix + "*"}
	return Table{Family: FamilyIPv4, Name: LimitTableName, Chains: []Chain{
		// After the verdicts on egress: what they drop makes no entry.
		{Name: "forward", Type: "filter", Hook: "forward", Priority: 1, Rules: limitRules(limit, Rule{In: every}, true)},
	}}
}

// limitRules drop, and count, what would open a connection beyond the limit.
func limitRules(limit ConnectionLimit, rule Rule, perInterface bool) []Rule {
	rule.Opening, rule.Counted, rule.Verdict = true, true, Drop
	var rules []Rule
	// The rate first: to count connections is the greater work.
	for _, over := range []Limit{{PerSecond: limit.PerSecond}, {Connections: limit.Max}} {
		if over == (Limit{}) {
			continue
		}
		over.PerInterface = perInterface
		rule.Over = over
		rules = append(rules, rule)
	}
	return rules
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
// nobody in. Only connections that leave are tracked, and only the gateway's
// own address leaves.
func gatewayTable(limit ConnectionLimit, n network) Table {
	inside, outside := []string{GatewayFabric}, []string{GatewayUplink}
	leaving := Rule{In: inside, Out: outside}
	leave := leaving
	leave.Verdict = Accept
	return Table{Namespace: GatewayNamespace(n.vni), Family: FamilyIPv4, Name: TableName, Chains: []Chain{
		{Name: "untracked", Type: "filter", Hook: "prerouting", Priority: -450, Rules: []Rule{
			{In: inside, Destination: n.gateway.Masked(), Verdict: NoTrack},
			{In: inside, Destination: n.pods, Verdict: NoTrack},
		}},
		{Name: "input", Type: "filter", Hook: "input", Rules: []Rule{
			{In: inside, Protocol: protocolICMP, Destination: netip.PrefixFrom(n.gateway.Addr(), 32), Verdict: Accept},
			{Verdict: Drop},
		}},
		{Name: "forward", Type: "filter", Hook: "forward", Rules: slices.Concat([]Rule{
			// Who is on the network reaches the others without the gateway, which
			// would look for addresses that nobody has. The node has one table of
			// neighbours, and all its network namespaces share it.
			{In: inside, Out: inside, Destination: n.gateway.Masked(), Verdict: Drop},
			{In: inside, Out: inside, Verdict: Accept},
			// Of no connection, so nothing would translate its source.
			{Invalid: true, Verdict: Drop},
		}, limitRules(limit, leaving, false), []Rule{
			leave,
			{In: outside, Out: inside, Established: true, Verdict: Accept},
			{Verdict: Drop},
		})},
		{Name: "masquerade", Type: "nat", Hook: "postrouting", Priority: 100, Rules: []Rule{
			{Out: outside, Verdict: Masquerade},
		}},
		// After the translation.
		{Name: "leave", Type: "filter", Hook: "postrouting", Priority: 300, Rules: []Rule{
			{Out: outside, SourceNot: n.tenantUp, Verdict: Drop},
		}},
	}}
}
