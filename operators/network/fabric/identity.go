// Package fabric decides, without I/O, which links, routes and rules of the
// overlay network one node must have, and what has to change to get there.
package fabric

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// MaxVNI is the greatest identifier that is given out. The protocol allows 24
// bits; 20 leave room for a /30 of every network's own in the uplink range.
const MaxVNI = 1<<20 - 1

// UplinkBits is the longest prefix of an uplink range with room for MaxVNI.
const UplinkBits = 10

// Interface names in the namespaces that are not the node's own.
const (
	// GatewayFabric is the gateway's interface on the tenant's network.
	GatewayFabric = "fabric0"
	// GatewayUplink is the gateway's interface towards the node.
	GatewayUplink = "uplink0"
	// PodInterface is the management-side interface of every pod.
	PodInterface = "eth0"
)

const (
	portNamePrefix = "swp"
	uplinkPrefix   = "swu"
)

// Names of what a network has on a node; all fit the kernel's 15 characters.
func bridgeName(vni int32) string  { return fmt.Sprintf("swb%06x", vni) }
func vxlanName(vni int32) string   { return fmt.Sprintf("swx%06x", vni) }
func gatewayName(vni int32) string { return fmt.Sprintf("swg%06x", vni) }
func uplinkName(vni int32) string  { return fmt.Sprintf("%s%06x", uplinkPrefix, vni) }

// GatewayNamespace is the network namespace of a network's gateway.
func GatewayNamespace(vni int32) string { return fmt.Sprintf("%s%06x", namespacePrefix, vni) }

const namespacePrefix = "slipway-"

// IsGatewayNamespace reports whether a namespace has the name of a gateway's.
func IsGatewayNamespace(name string) bool {
	digits, ok := strings.CutPrefix(name, namespacePrefix)
	return ok && isHex(digits, 6)
}

// PortName is the node's end of the NIC that a container has under the given
// interface name.
func PortName(containerID, interfaceName string) string {
	sum := sha256.Sum256([]byte(containerID + "/" + interfaceName))
	return portNamePrefix + hex.EncodeToString(sum[:6])
}

// OwnedName reports whether a link on the node has a name that the fabric gives
// to links of this kind. Alone it does not make the link ours: the alias must
// be there too.
func OwnedName(name, kind string) bool {
	if len(name) < len(portNamePrefix) {
		return false
	}
	prefix, digits := name[:len(portNamePrefix)], name[len(portNamePrefix):]
	switch prefix {
	case "swb":
		return kind == KindBridge && isHex(digits, 6)
	case "swx":
		return kind == KindVXLAN && isHex(digits, 6)
	case "swg", "swu":
		return kind == KindVeth && isHex(digits, 6)
	case portNamePrefix:
		return kind == KindVeth && isHex(digits, 12)
	default:
		return false
	}
}

func isHex(s string, length int) bool {
	_, err := strconv.ParseUint(s, 16, 64)
	return err == nil && len(s) == length && strings.ToLower(s) == s
}

// MAC is the hardware address of the NIC with the given address. It is unique
// within a network, locally administered, and never begins with fe, which
// libvirt refuses.
func MAC(vni int32, ip netip.Addr) net.HardwareAddr {
	address := ip.As4()
	return net.HardwareAddr{
		0x02 | byte(vni>>8&0x1f)<<2, byte(vni),
		address[0], address[1], address[2], address[3],
	}
}

// hostMAC is the hardware address of a link of the node itself. Its first byte
// is outside the range of MAC, so no guest can have it.
func hostMAC(vni int32, role byte) string {
	var number [4]byte
	binary.BigEndian.PutUint32(number[:], uint32(vni))
	return net.HardwareAddr{0x82, role, number[0], number[1], number[2], number[3]}.String()
}

// uplinkAddresses are the node's and the gateway's end of the link between
// them: a /30 of the uplink range, which no other network on the node has.
func uplinkAddresses(uplink netip.Prefix, vni int32) (node, gateway netip.Addr) {
	base := uplink.Masked().Addr().As4()
	number := binary.BigEndian.Uint32(base[:]) + uint32(vni)<<2
	return ipv4(number + 1), ipv4(number + 2)
}

func ipv4(number uint32) netip.Addr {
	var address [4]byte
	binary.BigEndian.PutUint32(address[:], number)
	return netip.AddrFrom4(address)
}

// Alias marks a link as the fabric's own: on a network's links it is the UID of
// the TenantNetwork; on a NIC it also says whose it is.
type Alias struct {
	NetworkUID string
	// PortUID, ContainerID and Interface are empty but for NICs.
	PortUID     string
	ContainerID string
	Interface   string
}

func (a Alias) String() string {
	if a.PortUID == "" {
		return a.NetworkUID
	}
	return strings.Join([]string{a.NetworkUID, a.PortUID, a.ContainerID, a.Interface}, "/")
}

// ParseAlias reads what String wrote.
func ParseAlias(text string) (Alias, bool) {
	parts := strings.Split(text, "/")
	switch {
	case text == "":
		return Alias{}, false
	case len(parts) == 1:
		return Alias{NetworkUID: parts[0]}, true
	case len(parts) == 4:
		return Alias{NetworkUID: parts[0], PortUID: parts[1], ContainerID: parts[2], Interface: parts[3]}, true
	default:
		return Alias{}, false
	}
}
