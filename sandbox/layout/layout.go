// Package layout decides every name and address of a sandbox from its name and
// its number of nodes. It performs no I/O.
//
// All sandboxes use the same subnets: each lives in network namespaces of its
// own, so they never meet. The subnets stay clear of 10.0.0.0/8, which tenant
// clusters use by default.
package layout

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"regexp"
	"strings"
)

const (
	// RegistryHost is the registry's name in image references.
	RegistryHost = "registry.slipway.internal"
	// RegistryPort is the registry's port, on the hub and on the loopback address.
	RegistryPort = 5000
	// PullPort is where the registry gives images and takes none, on the hub.
	PullPort = 5001
	// DNSPort is the port of the authoritative server, on the hub and on the loopback address.
	DNSPort = 53
	// APIPort is the port of the management cluster's API server.
	APIPort = 6443
	// Zone is the domain that BIND serves and external-dns writes to.
	Zone = "slipway.test"
	// TSIGKeyName names the key that zone transfers and updates need.
	TSIGKeyName = "slipway-external-dns"
	// FirstNodePort begins the NodePort range; each of its ports is forwarded from the loopback address.
	FirstNodePort = 30000
	// LastNodePort ends it.
	LastNodePort = 30127
	// MaxNodes is what the node subnet and the pod subnets leave room for.
	MaxNodes = 64

	firstNodeAddress = 10
)

var (
	// NodeSubnet holds the hub (first address) and the nodes.
	NodeSubnet = netip.MustParsePrefix("172.30.0.0/24")
	// PodSubnet is split into one /24 for each node.
	PodSubnet = netip.MustParsePrefix("172.31.0.0/16")
	// ServiceSubnet holds the ClusterIPs of the management cluster.
	ServiceSubnet = netip.MustParsePrefix("172.29.0.0/16")
	// HubAddress is where the registry and BIND listen.
	HubAddress = netip.MustParseAddr("172.30.0.1")
	// ClusterDNS is the ClusterIP of CoreDNS.
	ClusterDNS = netip.MustParseAddr("172.29.0.10")
)

// Layout has the names and addresses of one sandbox.
type Layout struct {
	// Name is the sandbox's name, a DNS label of at most 20 characters.
	Name string
	// Nodes lists the nodes; node 0 runs the control plane.
	Nodes []Node
}

// Node is the layout of one node.
type Node struct {
	// Index counts from 0.
	Index int
	// Name is the hostname and the name of the Kubernetes Node.
	Name string
	// Address is the node's address on the hub's network.
	Address netip.Addr
	// PodCIDR is the /24 from which the node's pods get addresses.
	PodCIDR netip.Prefix
	// Namespace is the name of the network namespace.
	Namespace string
	// Cgroup is the path, below every cgroup hierarchy, that holds all of the node's processes.
	Cgroup string
}

var validName = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$`)

// New lays out a sandbox with the given number of nodes.
func New(name string, nodes int) (Layout, error) {
	if !validName.MatchString(name) {
		return Layout{}, fmt.Errorf("sandbox name %q: use at most 20 lower-case letters, digits and dashes, a letter first", name)
	}
	if nodes < 1 || nodes > MaxNodes {
		return Layout{}, fmt.Errorf("%d nodes: a sandbox has 1 to %d", nodes, MaxNodes)
	}
	p := Layout{Name: name}
	for i := range nodes {
		p.Nodes = append(p.Nodes, node(name, i))
	}
	return p, nil
}

func node(name string, i int) Node {
	base := NodeSubnet.Addr().As4()
	base[3] = byte(firstNodeAddress + i)
	pods := PodSubnet.Addr().As4()
	pods[2] = byte(i)
	return Node{
		Index:     i,
		Name:      fmt.Sprintf("%s-%d", name, i),
		Address:   netip.AddrFrom4(base),
		PodCIDR:   netip.PrefixFrom(netip.AddrFrom4(pods), 24),
		Namespace: NamespacePrefix(name) + fmt.Sprint(i),
		Cgroup:    CgroupPrefix(name) + fmt.Sprint(i),
	}
}

// NamespacePrefix starts the name of each of the sandbox's network namespaces.
// The two dots keep sandboxes apart whose names begin alike.
func NamespacePrefix(name string) string { return "slipway." + name + "." }

// CgroupPrefix starts the name of each of the sandbox's cgroups.
func CgroupPrefix(name string) string { return "slipway." + name + "." }

// HubNamespace is the network namespace of the bridge, the registry and BIND.
func (p Layout) HubNamespace() string { return NamespacePrefix(p.Name) + "hub" }

// HubCgroup holds the registry and BIND.
func (p Layout) HubCgroup() string { return CgroupPrefix(p.Name) + "hub" }

// Namespaces lists every network namespace of the sandbox.
func (p Layout) Namespaces() []string {
	names := []string{p.HubNamespace()}
	for _, n := range p.Nodes {
		names = append(names, n.Namespace)
	}
	return names
}

// Gateway is the address of the node's own end of its pods' links. It is the
// first of the pod CIDR, which host-local keeps for that use.
func (n Node) Gateway() netip.Addr { return n.PodCIDR.Addr().Next() }

// ControlPlane is the node that runs etcd and the API server.
func (p Layout) ControlPlane() Node { return p.Nodes[0] }

// LoopbackCandidates lists the loopback addresses 127.77.X.1 on which a
// sandbox may be reached from the host, the preferred one first. The
// preference depends on the name alone, so that a kubeconfig stays valid over
// a restart; the others serve when another sandbox holds that address.
func LoopbackCandidates(name string) []netip.Addr {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	start := int(h.Sum32() % 254)
	addresses := make([]netip.Addr, 0, 254)
	for i := range 254 {
		x := byte((start+i)%254 + 1)
		addresses = append(addresses, netip.AddrFrom4([4]byte{127, 77, x, 1}))
	}
	return addresses
}

// Image is the reference of one of the images in the sandbox's registry.
func Image(name, tag string) string {
	return strings.Join([]string{RegistryHost, "/", name, ":", tag}, "")
}
