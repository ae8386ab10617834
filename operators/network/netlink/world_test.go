package netlink

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/network/fabric"
)

const (
	underlayMTU = 1500
	fabricMTU   = underlayMTU - 50
	echoPort    = 7007
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

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("network namespaces and links can only be made by root")
	}
}

// newWorld makes n nodes that share one link, 10.99.0.0/24.
func newWorld(t *testing.T, n int) *world {
	t.Helper()
	needRoot(t)
	w := &world{t: t, config: fabric.Config{
		Port: 4790, Uplink: netip.MustParsePrefix("100.64.0.0/10"),
	}}
	underlay := newTestHost(t)
	underlay.ip("link add br0 type bridge")
	underlay.ip("link set br0 up")
	for i := range n {
		node := &testNode{
			name: fmt.Sprintf("node-%d", i+1), vtep: netip.AddrFrom4([4]byte{10, 99, 0, byte(i + 1)}), host: newTestHost(t),
		}
		connect(t, underlay, "br0", fmt.Sprintf("n%d", i), node.host, "eth0", netip.PrefixFrom(node.vtep, 24))
		node.host.ip("link set lo up")
		must(t, node.host.inside("", func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0) }))
		w.nodes = append(w.nodes, node)
		w.hosts = append(w.hosts, v1alpha1.HostNetwork{
			ObjectMeta: metav1.ObjectMeta{Name: node.name},
			Spec:       v1alpha1.HostNetworkSpec{VTEP: node.vtep.String(), MTU: underlayMTU},
		})
	}
	return w
}

// newTestHost is a namespace with a directory of its own for further ones.
func newTestHost(t *testing.T) *Host {
	t.Helper()
	needRoot(t)
	directory := t.TempDir()
	names := &Host{directory: directory}
	must(t, names.createNamespace("self"))
	t.Cleanup(func() {
		entries, err := os.ReadDir(directory)
		must(t, err)
		for _, e := range entries {
			must(t, names.deleteNamespace(e.Name()))
		}
	})
	node, err := netns.GetFromPath(filepath.Join(directory, "self"))
	must(t, err)
	host := &Host{node: node, directory: directory}
	t.Cleanup(func() { must(t, host.Close()) })
	return host
}

// ip runs a command of iproute2 in the host's namespace.
func (h *Host) ip(arguments string) string { return h.run("", "ip "+arguments) }

func (h *Host) run(namespace, command string) string {
	var output []byte
	err := h.inside(namespace, func() (err error) {
		words := strings.Fields(command)
		output, err = exec.Command(words[0], words[1:]...).CombinedOutput()
		return err
	})
	if err != nil {
		panic(fmt.Sprintf("%s: %v\n%s", command, err, output))
	}
	return string(output)
}

// connect makes a veth pair between a port of a bridge and another host.
func connect(t *testing.T, a *Host, bridge, aName string, b *Host, bName string, address netip.Prefix) {
	t.Helper()
	handle, err := netlink.NewHandleAt(a.node)
	must(t, err)
	defer handle.Close()
	must(t, handle.LinkAdd(&netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: aName, MTU: underlayMTU}, PeerName: bName, PeerNamespace: netlink.NsFd(b.node),
	}))
	if bridge != "" {
		a.ip("link set " + aName + " master " + bridge)
	}
	a.ip("link set " + aName + " up")
	b.ip("address add " + address.String() + " dev " + bName)
	b.ip("link set " + bName + " up")
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
	pod string
	ip  netip.Addr
}

// plug does what the agent does for a pod on a node, there and on all others.
func (w *world) plug(vni int32, node *testNode, address string, routes ...v1alpha1.CIDR) *nic {
	w.t.Helper()
	network := w.network(vni)
	ip := netip.MustParseAddr(address)
	name := fmt.Sprintf("pod-%d-%s", vni, address)
	port := v1alpha1.NetworkPort{
		ObjectMeta: metav1.ObjectMeta{Namespace: network.Namespace, Name: name, UID: types.UID("uid-" + name)},
		Spec:       v1alpha1.NetworkPortSpec{NetworkName: network.Name, PodName: name, Routes: routes},
		Status: v1alpha1.NetworkPortStatus{
			IPAddress: address, MACAddress: fabric.MAC(vni, ip).String(), PrefixLength: 24, MTU: fabricMTU,
			Attachment: &v1alpha1.PortAttachment{NodeName: node.name, ContainerID: name},
		},
	}
	w.ports = append(w.ports, port)
	must(w.t, node.host.createNamespace(name))
	n := &nic{node: node, pod: name, ip: ip, NIC: NIC{
		Namespace: filepath.Join(node.host.directory, name), Interface: "fabric0", MAC: port.Status.MACAddress, MTU: fabricMTU,
		Alias: fabric.Alias{NetworkUID: string(network.UID), PortUID: string(port.UID), ContainerID: name, Interface: "fabric0"},
	}}
	must(w.t, node.host.Plug(n.NIC))
	w.sync()
	must(w.t, node.host.Configure(n.NIC, PodSide{
		Address: netip.PrefixFrom(ip, 24), Gateway: netip.MustParseAddr("10.200.0.1"),
		GatewayMAC: network.Status.Gateway.MACAddress,
		Routes:     []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16")},
	}))
	return n
}

// unplug does what the runtime does: CNI DEL, then the namespace goes.
func (w *world) unplug(n *nic) {
	w.t.Helper()
	must(w.t, n.node.host.Unplug(n.Alias.ContainerID, n.Interface))
	must(w.t, n.node.host.deleteNamespace(n.pod))
	for i, p := range w.ports {
		if string(p.UID) == n.Alias.PortUID {
			w.ports = append(w.ports[:i], w.ports[i+1:]...)
			break
		}
	}
	w.sync()
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
	config := w.config
	config.NodeName, config.VTEP = n.name, n.vtep
	desired, _ := fabric.Desired(fabric.Input{
		Config: config, Hosts: w.hosts, Networks: w.networks, Ports: w.ports, Attachments: attachments,
	})
	return fabric.Plan(observed, desired)
}

// serve answers every TCP connection to an address in a namespace with a name.
func serve(t *testing.T, h *Host, namespace, address, name string) {
	t.Helper()
	var listener net.Listener
	must(t, h.inside(namespace, func() (err error) {
		listener, err = net.Listen("tcp4", net.JoinHostPort(address, fmt.Sprint(echoPort)))
		return err
	}))
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, name+" heard "+conn.RemoteAddr().(*net.TCPAddr).IP.String())
			_ = conn.Close()
		}
	}()
}

// ask connects from a namespace and gives the answer, or the error.
func ask(h *Host, namespace, address string) (string, error) {
	var answer []byte
	err := h.inside(namespace, func() error {
		dialer := net.Dialer{Timeout: 700 * time.Millisecond}
		conn, err := dialer.Dial("tcp4", net.JoinHostPort(address, fmt.Sprint(echoPort)))
		if err != nil {
			return err
		}
		defer conn.Close() //nolint:errcheck // read-only
		answer, err = io.ReadAll(conn)
		return err
	})
	return string(answer), err
}

// reaches tries again: the kernel takes a moment until a new link carries.
func reaches(t *testing.T, h *Host, namespace, address, want string) {
	t.Helper()
	var answer string
	var err error
	for range 6 {
		if answer, err = ask(h, namespace, address); err == nil {
			break
		}
	}
	if err != nil || answer != want {
		t.Errorf("%s to %s: %q, %v; want %q", namespace, address, answer, err, want)
	}
}

func blocked(t *testing.T, h *Host, namespace, address string) {
	t.Helper()
	answer, err := ask(h, namespace, address)
	var failure net.Error
	if err == nil || !errors.As(err, &failure) {
		t.Errorf("%s reaches %s: %q, %v", namespace, address, answer, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		_, file, line, _ := runtime.Caller(1)
		t.Fatalf("%s:%d: %v", filepath.Base(file), line, err)
	}
}
