package netlink

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"slipway.dev/operators/network/fabric"
)

// compiler turns the rules of one table into the kernel's expressions. Each
// match loads something into register 1 and compares it.
type compiler struct {
	conn   *nftables.Conn
	table  *nftables.Table
	family string
	// sets of interfaces that the table has already, by their contents.
	sets map[string]*nftables.Set
	out  []expr.Any
	err  error
}

func (c *compiler) compile(r fabric.Rule) ([]expr.Any, error) {
	c.out, c.err = nil, nil
	c.interfaces(expr.MetaKeyIIFNAME, r.In)
	c.interfaces(expr.MetaKeyOIFNAME, r.Out)
	c.link(r)
	c.network(r)
	c.transport(r)
	c.connection(r)
	c.over(r.Over)
	if r.Counted {
		c.add(&expr.Counter{})
	}
	c.verdict(r.Verdict)
	return c.out, c.err
}

func (c *compiler) add(expressions ...expr.Any) { c.out = append(c.out, expressions...) }

func (c *compiler) equal(load expr.Any, data []byte) {
	c.add(load, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: data})
}

func (c *compiler) interfaces(key expr.MetaKey, names []string) {
	load := &expr.Meta{Key: key, Register: 1}
	switch len(names) {
	case 0:
	case 1:
		if prefix, cut := strings.CutSuffix(names[0], "*"); cut {
			c.equal(load, []byte(prefix))
			return
		}
		c.equal(load, interfaceName(names[0]))
	default:
		set := c.interfaceSet(names)
		c.add(load, &expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID})
	}
}

// interfaceSet has a name: of anonymous sets the library writes down the wrong
// byte order, and nft then shows them empty.
func (c *compiler) interfaceSet(names []string) *nftables.Set {
	contents := strings.Join(names, " ")
	if set := c.sets[contents]; set != nil {
		return set
	}
	set := &nftables.Set{
		Table: c.table, Name: fmt.Sprintf("interfaces%d", len(c.sets)+1),
		KeyType: nftables.TypeIFName, KeyByteOrder: binaryutil.NativeEndian,
	}
	elements := make([]nftables.SetElement, len(names))
	for i, name := range names {
		elements[i] = nftables.SetElement{Key: interfaceName(name)}
	}
	if err := c.conn.AddSet(set, elements); err != nil {
		c.err = err
	}
	c.sets[contents] = set
	return set
}

func interfaceName(name string) []byte {
	padded := make([]byte, unix.IFNAMSIZ)
	copy(padded, name)
	return padded
}

// addresses compares with each of several.
func (c *compiler) addresses(load expr.Any, addresses []netip.Addr) {
	set := &nftables.Set{Table: c.table, Anonymous: true, Constant: true, KeyType: nftables.TypeIPAddr}
	elements := make([]nftables.SetElement, len(addresses))
	for i, address := range addresses {
		elements[i] = nftables.SetElement{Key: address.AsSlice()}
	}
	if err := c.conn.AddSet(set, elements); err != nil {
		c.err = err
	}
	c.add(load, &expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID})
}

func payload(base expr.PayloadBase, offset, length uint32) expr.Any {
	return &expr.Payload{DestRegister: 1, Base: base, Offset: offset, Len: length}
}

// link compares what is in the Ethernet header, and in ARP's.
func (c *compiler) link(r fabric.Rule) {
	if r.EtherType != 0 {
		c.equal(&expr.Meta{Key: expr.MetaKeyPROTOCOL, Register: 1}, binary.BigEndian.AppendUint16(nil, r.EtherType))
	}
	c.mac(r.EtherSource, payload(expr.PayloadBaseLLHeader, 6, 6))
	c.mac(r.ARPSenderMAC, payload(expr.PayloadBaseNetworkHeader, 8, 6))
	if r.ARPSender.IsValid() {
		c.equal(payload(expr.PayloadBaseNetworkHeader, 14, 4), r.ARPSender.AsSlice())
	}
}

func (c *compiler) mac(text string, load expr.Any) {
	if text == "" {
		return
	}
	mac, err := net.ParseMAC(text)
	if err != nil {
		c.err = err
		return
	}
	c.equal(load, mac)
}

func (c *compiler) network(r fabric.Rule) {
	addressed := r.Source.IsValid() || r.SourceNot.IsValid() || len(r.SourceIn) > 0 || r.Destination.IsValid() || len(r.DestinationIn) > 0
	if c.family == fabric.FamilyInet && addressed {
		c.equal(&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, []byte{unix.NFPROTO_IPV4})
	}
	c.prefix(r.Source, 12)
	c.prefix(r.Destination, 16)
	if r.SourceNot.IsValid() {
		c.add(payload(expr.PayloadBaseNetworkHeader, 12, 4), &expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: r.SourceNot.AsSlice()})
	}
	if len(r.SourceIn) > 0 {
		c.addresses(payload(expr.PayloadBaseNetworkHeader, 12, 4), r.SourceIn)
	}
	if len(r.DestinationIn) > 0 {
		c.addresses(payload(expr.PayloadBaseNetworkHeader, 16, 4), r.DestinationIn)
	}
	if r.NoReversePath {
		c.equal(&expr.Fib{Register: 1, FlagSADDR: true, FlagIIF: true, ResultOIF: true, FlagPRESENT: true}, make([]byte, 4))
	}
	if r.LocalDestination {
		c.equal(&expr.Fib{Register: 1, FlagDADDR: true, ResultADDRTYPE: true},
			binaryutil.NativeEndian.PutUint32(unix.RTN_LOCAL))
	}
}

// prefix compares the first bits of the address at an offset in the IPv4 header.
func (c *compiler) prefix(p netip.Prefix, offset uint32) {
	if !p.IsValid() || p.Bits() == 0 {
		return
	}
	c.add(payload(expr.PayloadBaseNetworkHeader, offset, 4))
	if p.Bits() < p.Addr().BitLen() {
		c.add(&expr.Bitwise{
			SourceRegister: 1, DestRegister: 1, Len: 4,
			Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen()), Xor: make([]byte, 4),
		})
	}
	c.add(&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: p.Masked().Addr().AsSlice()})
}

func (c *compiler) transport(r fabric.Rule) {
	if r.Protocol != 0 {
		c.equal(&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, []byte{r.Protocol})
	}
	if r.SourcePort != 0 {
		c.equal(payload(expr.PayloadBaseTransportHeader, 0, 2), binary.BigEndian.AppendUint16(nil, r.SourcePort))
	}
	if r.DestinationPort != 0 {
		c.equal(payload(expr.PayloadBaseTransportHeader, 2, 2), binary.BigEndian.AppendUint16(nil, r.DestinationPort))
	}
}

// connection compares what is known of the packet's connection.
func (c *compiler) connection(r fabric.Rule) {
	bits := func(key expr.CtKey, mask uint32, op expr.CmpOp) {
		c.add(&expr.Ct{Register: 1, Key: key},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(mask), Xor: make([]byte, 4)},
			&expr.Cmp{Op: op, Register: 1, Data: make([]byte, 4)})
	}
	if r.Established {
		bits(expr.CtKeySTATE, expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED, expr.CmpOpNeq)
	}
	if r.Invalid {
		bits(expr.CtKeySTATE, expr.CtStateBitINVALID, expr.CmpOpNeq)
	}
	if r.Opening {
		bits(expr.CtKeySTATUS, statusConfirmed, expr.CmpOpEq)
	}
}

// statusConfirmed is IPS_CONFIRMED of linux/netfilter/nf_conntrack_common.h: the
// connection has its entry in the table.
const statusConfirmed = 1 << 3

func (c *compiler) over(limit fabric.Limit) {
	var stateful expr.Any
	switch {
	case limit.Connections > 0:
		stateful = &expr.Connlimit{Count: limit.Connections, Flags: expr.NFT_CONNLIMIT_F_INV}
	case limit.PerSecond > 0:
		stateful = &expr.Limit{
			Type: expr.LimitTypePkts, Rate: uint64(limit.PerSecond), Unit: expr.LimitTimeSecond, Burst: limit.PerSecond, Over: true,
		}
	default:
		return
	}
	if !limit.PerInterface {
		c.add(stateful)
		return
	}
	set := c.counterSet(stateful)
	c.add(&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, &expr.Dynset{
		SrcRegKey: 1, SetName: set.Name, SetID: set.ID, Operation: uint32(unix.NFT_DYNSET_OP_ADD), Exprs: []expr.Any{stateful},
	})
}

// counterSet holds a counter for each interface from which a packet has come.
func (c *compiler) counterSet(stateful expr.Any) *nftables.Set {
	set := &nftables.Set{
		Table: c.table, Name: strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", stateful), "*expr.")) + "s",
		KeyType: nftables.TypeIFName, KeyByteOrder: binaryutil.NativeEndian, Dynamic: true, Size: fabric.MaxVNI,
	}
	if err := c.conn.AddSet(set, nil); err != nil {
		c.err = err
	}
	return set
}

func (c *compiler) verdict(v fabric.Verdict) {
	switch v {
	case fabric.Accept:
		c.add(&expr.Verdict{Kind: expr.VerdictAccept})
	case fabric.Drop:
		c.add(&expr.Verdict{Kind: expr.VerdictDrop})
	case fabric.NoTrack:
		c.add(&expr.Notrack{})
	case fabric.Masquerade:
		c.add(&expr.Masq{})
	}
}
