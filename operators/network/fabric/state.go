package fabric

import "net/netip"

// Kinds of links, as the kernel calls them.
const (
	KindBridge = "bridge"
	KindVXLAN  = "vxlan"
	KindVeth   = "veth"
)

// State is all that the fabric has, or should have, on one node. A namespace
// is named as its file in /run/netns; the empty name is the node's own.
type State struct {
	Namespaces []Namespace
	Links      []Link
	Addresses  []Address
	Neighbours []Neighbour
	Forwarding []ForwardingEntry
	Routes     []Route
	Sysctls    []Sysctl
	Tables     []Table
}

// Namespace is a gateway's network namespace.
type Namespace struct {
	Name string
	// Alias of the links in it; empty when observed without any.
	Alias string
}

// Link is a network interface.
type Link struct {
	Namespace, Name, Kind, Alias string
	// MAC is left as it is when empty.
	MAC    string
	MTU    int
	Master string
	Up     bool
	// VNI, Local and Port are those of a vxlan device.
	VNI   int32
	Local netip.Addr
	Port  uint16
	// Bridge says how a bridge treats this port of it.
	Bridge BridgePort
	// Peer and PeerNamespace are where the other end of a veth pair is made;
	// empty for a pair that somebody else makes.
	Peer, PeerNamespace string
}

// BridgePort holds the flags of a port of a bridge.
type BridgePort struct {
	Learning, UnicastFlood, NeighbourSuppression bool
}

// Address is one of an interface's own.
type Address struct {
	Namespace, Link string
	Prefix          netip.Prefix
}

// Neighbour is a permanent entry: nobody has to ask for it.
type Neighbour struct {
	Namespace, Link string
	IP              netip.Addr
	MAC             string
}

// ForwardingEntry says where frames for a hardware address go: to a port of a
// bridge, or, with a tunnel, from a vxlan device to another node.
type ForwardingEntry struct {
	Link, MAC string
	Tunnel    netip.Addr
}

// Route is one of a gateway's. Without Via it refuses the packets.
type Route struct {
	Namespace   string
	Destination netip.Prefix
	Via         netip.Addr
	Link        string
}

// Sysctl is a kernel setting below /proc/sys/net.
type Sysctl struct {
	Namespace, Key, Value string
}

// Attachment is a NIC that is plugged in on this node, as the kernel tells it.
type Attachment struct {
	Alias
	// Link is the node's end.
	Link string
	// Index grows with each link: of two for the same port the newer is in use.
	Index int
	// Namespace of the pod; empty when it has neither a name nor a process.
	Namespace string
}
