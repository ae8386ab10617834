package netlink

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"runtime"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/network/fabric"
	"slipway.dev/operators/network/netnstest"
)

const (
	underlayMTU = 1500
	fabricMTU   = underlayMTU - 50
)

// world is a fabric of real kernels: every node, pod and outside machine is a
// network namespace. The API objects are plain values.
type world struct {
	t        *testing.T
	config   fabric.Config
	nodes    []*testNode
	hosts    []v1alpha1.HostNetwork
	networks []v1alpha1.TenantNetwork
	ports    []v1alpha1.NetworkPort
}

type testNode struct {
	name string
	vtep netip.Addr
	host *Host
}

// newWorld makes n nodes that share one link, 10.99.0.0/24.
func newWorld(t *testing.T, n int) *world {
	t.Helper()
	w := &world{t: t, config: fabric.Config{
		Port: 4790, Uplink: netip.MustParsePrefix("100.64.0.0/10"),
	}}
	underlay := netnstest.New(t, netnstest.Directory(t), "underlay")
	netnstest.Run(t, underlay, "ip link add br0 type bridge")
	netnstest.Run(t, underlay, "ip link set br0 up")
	for i := range n {
		node := &testNode{
			name: fmt.Sprintf("node-%d", i+1), vtep: netip.AddrFrom4([4]byte{10, 99, 0, byte(i + 1)}), host: newTestHost(t),
		}
		link := fmt.Sprintf("n%d", i)
		netnstest.Connect(t, underlay, link, node.host.path(""), "eth0", netip.PrefixFrom(node.vtep, 24))
		netnstest.Run(t, underlay, "ip link set "+link+" master br0")
		must(t, writeForwarding(node.host))
		w.nodes = append(w.nodes, node)
		w.hosts = append(w.hosts, v1alpha1.HostNetwork{
			ObjectMeta: metav1.ObjectMeta{Name: node.name},
			Spec:       v1alpha1.HostNetworkSpec{VTEP: node.vtep.String(), MTU: underlayMTU},
		})
	}
	return w
}

func newTestHost(t *testing.T) *Host {
	t.Helper()
	directory := netnstest.Directory(t)
	host, err := NewHost(netnstest.New(t, directory, "self"), directory)
	must(t, err)
	t.Cleanup(func() { must(t, host.Close()) })
	return host
}

// path of the host's own namespace, and of another that it has.
func (h *Host) path(name string) string {
	if name == "" {
		name = "self"
	}
	return filepath.Join(h.directory, name)
}

// writeForwarding does what every Kubernetes node has set.
func writeForwarding(h *Host) error {
	return h.inside("", func() error { return writeSysctl(fabric.Sysctl{Key: "ipv4/ip_forward", Value: "1"}) })
}

// addNetwork makes a tenant; all tenants have the same ranges.
func (w *world) addNetwork(vni int32) *v1alpha1.TenantNetwork {
	gateway := netip.MustParseAddr("10.200.0.1")
	w.networks = append(w.networks, v1alpha1.TenantNetwork{
		ObjectMeta: metav1.ObjectMeta{Namespace: fmt.Sprintf("tenant-%d", vni), Name: "net", UID: types.UID(fmt.Sprintf("uid-of-%d", vni))},
		Spec:       v1alpha1.TenantNetworkSpec{NodeCIDR: "10.200.0.0/24", PodCIDR: "10.244.0.0/16", ServiceCIDR: "10.96.0.0/16"},
		Status: v1alpha1.TenantNetworkStatus{
			VNI: new(vni), MTU: fabricMTU,
			Gateway: &v1alpha1.Gateway{IPAddress: gateway.String(), MACAddress: fabric.MAC(vni, gateway).String()},
		},
	})
	return &w.networks[len(w.networks)-1]
}

// nic is a pod that has been plugged in.
type nic struct {
	node *testNode
	NIC
	path string
}

// plug does what the agent does for a pod on a node, there and on all others.
func (w *world) plug(vni int32, node *testNode, address string, routes ...v1alpha1.CIDR) *nic {
	w.t.Helper()
	n := w.unplugged(vni, node, address, routes...)
	must(w.t, node.host.Plug(n.NIC))
	w.sync()
	must(w.t, node.host.Configure(n.NIC, PodSide{
		Address: netip.PrefixFrom(netip.MustParseAddr(address), 24), Gateway: netip.MustParseAddr("10.200.0.1"),
		GatewayMAC: w.network(vni).Status.Gateway.MACAddress,
		Routes:     []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16")},
	}))
	return n
}

// unplugged makes a pod and its port.
func (w *world) unplugged(vni int32, node *testNode, address string, routes ...v1alpha1.CIDR) *nic {
	w.t.Helper()
	network := w.network(vni)
	name := fmt.Sprintf("pod-%d-%s", vni, address)
	port := v1alpha1.NetworkPort{
		ObjectMeta: metav1.ObjectMeta{Namespace: network.Namespace, Name: name, UID: types.UID("uid-" + name)},
		Spec:       v1alpha1.NetworkPortSpec{NetworkName: network.Name, PodName: name, Routes: routes},
		Status: v1alpha1.NetworkPortStatus{
			IPAddress: address, MACAddress: fabric.MAC(vni, netip.MustParseAddr(address)).String(), PrefixLength: 24, MTU: fabricMTU,
			Attachment: &v1alpha1.PortAttachment{NodeName: node.name, ContainerID: name},
		},
	}
	w.ports = append(w.ports, port)
	netnstest.New(w.t, node.host.directory, name)
	return &nic{node: node, path: node.host.path(name), NIC: NIC{
		Namespace: node.host.path(name), Interface: "fabric0", MAC: port.Status.MACAddress, MTU: fabricMTU,
		Alias: fabric.Alias{NetworkUID: string(network.UID), PortUID: string(port.UID), ContainerID: name, Interface: "fabric0"},
	}}
}

// unplug does what the runtime does: CNI DEL, then the namespace goes.
func (w *world) unplug(n *nic) {
	w.t.Helper()
	must(w.t, n.node.host.Unplug(n.Alias.ContainerID, n.Interface))
	netnstest.Remove(w.t, n.path)
	for i, p := range w.ports {
		if string(p.UID) == n.Alias.PortUID {
			w.ports = append(w.ports[:i], w.ports[i+1:]...)
			break
		}
	}
	w.sync()
}

// unconfine has a pod send what it likes, as a guest can, whose frames no table
// in its pod looks at. The next pass confines it again.
func (n *nic) unconfine(t *testing.T) {
	t.Helper()
	netnstest.Run(t, n.path, "nft delete table inet slipway")
}

func (w *world) network(vni int32) *v1alpha1.TenantNetwork {
	for i := range w.networks {
		if *w.networks[i].Status.VNI == vni {
			return &w.networks[i]
		}
	}
	w.t.Fatalf("no network %d", vni)
	return nil
}

// sync makes one pass on every node, and checks that a second has nothing to do.
func (w *world) sync() {
	w.t.Helper()
	for _, n := range w.nodes {
		must(w.t, n.host.Apply(w.changes(n)))
		if rest := w.changes(n); !rest.Empty() {
			w.t.Fatalf("%s: a second pass would change %+v", n.name, rest)
		}
	}
}

func (w *world) changes(n *testNode) fabric.Changes {
	w.t.Helper()
	observed, attachments, err := n.host.Observe()
	must(w.t, err)
	return fabric.Plan(observed, w.wanted(n, observed, attachments))
}

func (w *world) desired(n *testNode) fabric.State {
	w.t.Helper()
	observed, attachments, err := n.host.Observe()
	must(w.t, err)
	return w.wanted(n, observed, attachments)
}

func (w *world) wanted(n *testNode, observed fabric.State, attachments []fabric.Attachment) fabric.State {
	config := w.config
	config.NodeName, config.VTEP = n.name, n.vtep
	desired, _ := fabric.Desired(fabric.Input{
		Config: config, Hosts: w.hosts, Networks: w.networks, Ports: w.ports, Attachments: attachments, Observed: observed,
	})
	return desired
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		_, file, line, _ := runtime.Caller(1)
		t.Fatalf("%s:%d: %v", filepath.Base(file), line, err)
	}
}
