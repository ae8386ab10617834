package netlink

import (
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"slipway.dev/operators/network/fabric"
)

// compiler turns a rule into the kernel's expressions. Each match loads
// something into register 1 and compares it.
type compiler struct {
	conn   *nftables.Conn
	table  *nftables.Table
	family string
	out    []expr.Any
	err    error
}

func compile(conn *nftables.Conn, table *nftables.Table, family string, r fabric.Rule) ([]expr.Any, error) {
	c := &compiler{conn: conn, table: table, family: family}
	c.interfaces(expr.MetaKeyIIFNAME, r.In)
	c.interfaces(expr.MetaKeyOIFNAME, r.Out)
	c.link(r)
	c.network(r)
	c.transport(r)
	if r.Established {
		mask := binaryutil.NativeEndian.PutUint32(expr.CtStateBitESTABLISHED | expr.CtStateBitRELATED)
		c.add(&expr.Ct{Register: 1, Key: expr.CtKeySTATE},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: mask, Xor: make([]byte, 4)},
			&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)})
	}
	c.verdict(r.Verdict)
	return c.out, c.err
}

func (c *compiler) add(expressions ...expr.Any) { c.out = append(c.out, expressions...) }

func (c *compiler) equal(load expr.Any, data []byte) {
	c.add(load, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: data})
}

// oneOf compares with each of several values of one type.
func (c *compiler) oneOf(load expr.Any, kind nftables.SetDatatype, values [][]byte) {
	if len(values) == 1 {
		c.equal(load, values[0])
		return
	}
	set := &nftables.Set{Table: c.table, Anonymous: true, Constant: true, KeyType: kind}
	elements := make([]nftables.SetElement, len(values))
	for i, v := range values {
		elements[i] = nftables.SetElement{Key: v}
	}
	if err := c.conn.AddSet(set, elements); err != nil {
		c.err = err
		return
	}
	c.add(load, &expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID})
}

func (c *compiler) interfaces(key expr.MetaKey, names []string) {
	if len(names) == 0 {
		return
	}
	values := make([][]byte, len(names))
	for i, name := range names {
		values[i] = make([]byte, unix.IFNAMSIZ)
		copy(values[i], name)
	}
	c.oneOf(&expr.Meta{Key: key, Register: 1}, nftables.TypeIFName, values)
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
	if c.family == fabric.FamilyInet && (r.Source.IsValid() || len(r.SourceIn) > 0 || r.Destination.IsValid()) {
		c.equal(&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, []byte{unix.NFPROTO_IPV4})
	}
	c.prefix(r.Source, 12)
	c.prefix(r.Destination, 16)
	if len(r.SourceIn) > 0 {
		values := make([][]byte, len(r.SourceIn))
		for i, address := range r.SourceIn {
			values[i] = address.AsSlice()
		}
		c.oneOf(payload(expr.PayloadBaseNetworkHeader, 12, 4), nftables.TypeIPAddr, values)
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
