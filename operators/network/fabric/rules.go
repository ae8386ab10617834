package fabric

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
)

// Table is an nftables table with everything in it.
type Table struct {
	Namespace    string
	Family, Name string
	Chains       []Chain
	// Guards is the link on the node that must not be plugged in without this
	// table; empty for one that is not about a single NIC.
	Guards string
	// Digest of an observed table, whose chains are not read back.
	Digest string
}

// Families of tables.
const (
	FamilyIPv4   = "ip"
	FamilyInet   = "inet"
	FamilyNetdev = "netdev"
)

// TableName is the name of the fabric's own table, LimitTableName of the one on
// the node that counts, and PortTablePrefix begins those that guard one NIC each.
// No other table is ever touched.
const (
	TableName       = "slipway"
	LimitTableName  = "slipway-limits"
	PortTablePrefix = "slipway-"
)

// Chain is a base chain. Packets that no rule decides pass.
type Chain struct {
	Name     string
	Type     string // filter or nat
	Hook     string // prerouting, input, forward, output, postrouting, ingress
	Priority int32
	Device   string // of an ingress hook
	Rules    []Rule
}

// Rule decides about packets for which all its fields match; an empty field
// matches everything. Of a list, one entry must match. An interface that ends
// with * stands for all whose names begin so.
type Rule struct {
	In, Out          []string
	EtherType        uint16
	EtherSource      string
	ARPSenderMAC     string
	ARPSender        netip.Addr
	Source           netip.Prefix
	SourceNot        netip.Addr
	SourceIn         []netip.Addr
	Destination      netip.Prefix
	DestinationIn    []netip.Addr
	LocalDestination bool // one of the host's own addresses
	NoReversePath    bool // answers to the source would not leave where it came in
	Established      bool // belongs or relates to a known connection
	Invalid          bool // is tracked and belongs to no connection
	Opening          bool // would make an entry in the table of connections
	Protocol         uint8
	SourcePort       uint16
	DestinationPort  uint16
	Over             Limit
	Counted          bool
	Verdict          Verdict
}

// Limit matches what is beyond it.
type Limit struct {
	// PerSecond is how many packets may match in a second, Connections how many
	// connections there may be that have. Zero is no limit.
	PerSecond, Connections uint32
	// PerInterface counts for each incoming interface apart.
	PerInterface bool
}

func (l Limit) String() string {
	text := fmt.Sprintf("limit rate over %d/second", l.PerSecond)
	if l.Connections > 0 {
		text = fmt.Sprintf("ct count over %d", l.Connections)
	}
	if l.PerInterface {
		return "{ iifname " + text + " }"
	}
	return text
}

// Verdict is what happens to a packet.
type Verdict string

// Verdicts. NoTrack lets the packet go on to the next rule.
const (
	Accept     Verdict = "accept"
	Drop       Verdict = "drop"
	NoTrack    Verdict = "notrack"
	Masquerade Verdict = "masquerade"
)

// EtherTypes and protocols, by their IANA numbers.
const (
	etherTypeIPv4  = 0x0800
	etherTypeARP   = 0x0806
	protocolICMP   = 1
	protocolTCP    = 6
	protocolUDP    = 17
	protocolICMPv6 = 58
)

// String writes the rule as nft does, nearly.
func (r Rule) String() string {
	var b strings.Builder
	field := func(present bool, format string, values ...any) {
		if present {
			fmt.Fprintf(&b, format+" ", values...)
		}
	}
	field(len(r.In) > 0, "iifname { %s }", strings.Join(r.In, ", "))
	field(len(r.Out) > 0, "oifname { %s }", strings.Join(r.Out, ", "))
	field(r.EtherType != 0, "ether type %#04x", r.EtherType)
	field(r.EtherSource != "", "ether saddr %s", r.EtherSource)
	field(r.ARPSenderMAC != "", "arp saddr ether %s", r.ARPSenderMAC)
	field(r.ARPSender.IsValid(), "arp saddr ip %s", r.ARPSender)
	field(r.Source.IsValid(), "ip saddr %s", r.Source)
	field(r.SourceNot.IsValid(), "ip saddr != %s", r.SourceNot)
	field(len(r.SourceIn) > 0, "ip saddr %v", r.SourceIn)
	field(r.Destination.IsValid(), "ip daddr %s", r.Destination)
	field(len(r.DestinationIn) > 0, "ip daddr %v", r.DestinationIn)
	field(r.LocalDestination, "fib daddr type local")
	field(r.NoReversePath, "fib saddr . iif oif missing")
	field(r.Established, "ct state established,related")
	field(r.Invalid, "ct state invalid")
	field(r.Opening, "ct status ! confirmed")
	field(r.Protocol != 0, "meta l4proto %d", r.Protocol)
	field(r.SourcePort != 0, "th sport %d", r.SourcePort)
	field(r.DestinationPort != 0, "th dport %d", r.DestinationPort)
	field(r.Over != Limit{}, "%s", r.Over)
	field(r.Counted, "counter")
	return b.String() + string(r.Verdict)
}

func (c Chain) header() string {
	text := fmt.Sprintf("chain %s { type %s hook %s", c.Name, c.Type, c.Hook)
	if c.Device != "" {
		text += " device " + c.Device
	}
	return fmt.Sprintf("%s priority %d", text, c.Priority)
}

// Marks identify the rules of a chain. They are stored with the rules in the
// kernel, as comments, so that a table can be compared without decoding it.
func (c Chain) Marks() []string {
	marks := make([]string, len(c.Rules))
	for i, r := range c.Rules {
		sum := sha256.Sum256([]byte(c.header() + r.String()))
		marks[i] = hex.EncodeToString(sum[:8])
	}
	return marks
}

// ID names the table in a message.
func (t Table) ID() string {
	text := "nftables table " + t.Family + " " + t.Name
	if t.Namespace != "" {
		text += " in network namespace " + t.Namespace
	}
	return text
}

// Digest sums up a table from the marks in each of its chains.
func Digest(marks map[string][]string) string {
	sum := sha256.New()
	for _, name := range sortedKeys(marks) {
		fmt.Fprintln(sum, name, marks[name])
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

func (t Table) digest() string {
	if t.Digest != "" {
		return t.Digest
	}
	marks := map[string][]string{}
	for _, c := range t.Chains {
		marks[c.Name] = c.Marks()
	}
	return Digest(marks)
}

// String writes the table as nft does, nearly.
func (t Table) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "table %s %s\n", t.Family, t.Name)
	for _, c := range t.Chains {
		fmt.Fprintf(&b, "  %s\n", c.header())
		for _, r := range c.Rules {
			fmt.Fprintf(&b, "    %s\n", r)
		}
	}
	return b.String()
}
