package agent_test

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	nadv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/network/netnstest"
)

// TestLifeOfANetwork goes from an empty node to an empty node.
func TestLifeOfANetwork(t *testing.T) {
	e := newEnvironment(t)
	await(e, &v1alpha1.HostNetwork{ObjectMeta: metav1.ObjectMeta{Name: nodeName}}, func(h *v1alpha1.HostNetwork) bool {
		return h.Spec.VTEP == "10.99.0.1" && h.Spec.MTU == 1400 && len(h.OwnerReferences) == 1 && meta.IsStatusConditionTrue(h.Status.Conditions, v1alpha1.ConditionProgrammed)
	})
	e.loseNode()
	before := netnstest.Snapshot(t, e.node)
	network := &v1alpha1.TenantNetwork{
		ObjectMeta: metav1.ObjectMeta{Namespace: tenantNamespace, Name: "demo"},
		Spec:       v1alpha1.TenantNetworkSpec{NodeCIDR: "10.200.0.0/24", PodCIDR: "10.244.0.0/16", ServiceCIDR: "10.96.0.0/16"},
	}
	e.create(network)
	e.beHosted(network)
	await(e, network, ready)
	if network.Status.MTU != 1350 || network.Status.Gateway.IPAddress != "10.200.0.1" {
		t.Errorf("status %+v", network.Status)
	}
	server := e.port("kube-apiserver-0", "kube-apiserver-0", "10.200.0.10")
	e.refuseUnconfined()
	e.plugControlPlane(server)
	machine := e.port("demo-a-x7k2p", "", "")
	e.plugGuest(machine)
	await(e, &v1alpha1.HostNetwork{ObjectMeta: metav1.ObjectMeta{Name: nodeName}}, func(h *v1alpha1.HostNetwork) bool {
		return h.Status.NetworkCount == 1 && h.Status.Networks[0].VNI == *network.Status.VNI && h.Status.Networks[0].Ports == 2
	})

	e.isAtRest(server, machine)
	e.loseAgent(network)
	e.loseKnowledge(network)

	// What is in use is not taken away under it.
	identifier := &v1alpha1.VirtualNetworkID{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint(*network.Status.VNI)}}
	must(t, e.client.Get(t.Context(), client.ObjectKeyFromObject(identifier), identifier))
	e.delete("kube-apiserver-0")
	await(e, server, func(p *v1alpha1.NetworkPort) bool { return p.Status.Attachment == nil && identified(p) })
	must(t, e.client.Delete(t.Context(), network))
	e.awaitGone(network)
	e.awaitGone(server)
	e.awaitGone(machine)
	e.awaitGone(identifier)
	e.awaitGone(&nadv1.NetworkAttachmentDefinition{ObjectMeta: metav1.ObjectMeta{Namespace: tenantNamespace, Name: "demo"}})
	e.delete("virt-launcher")
	if diff := cmp.Diff(before, netnstest.Snapshot(t, e.node)); diff != "" {
		t.Errorf("left behind (-before +after):\n%s", diff)
	}
}

// plugControlPlane plugs in a pod that is on the management network too.
func (e *environment) plugControlPlane(server *v1alpha1.NetworkPort) {
	t := e.t
	t.Helper()
	pod := netnstest.New(t, e.directory, "kube-apiserver-0")
	outside := netnstest.New(t, e.directory, "management")
	netnstest.Connect(t, outside, "eth0", pod, "eth0", netip.MustParsePrefix("172.31.0.5/24"))
	netnstest.Run(t, outside, "ip address add 172.31.0.1/24 dev eth0")
	netnstest.Run(t, outside, "ip address add 172.31.0.2/24 dev eth0")
	netnstest.Serve(t, outside, "172.31.0.1", "etcd")
	netnstest.Serve(t, outside, "172.31.0.2", "kubelet")
	netnstest.Serve(t, pod, "0.0.0.0", "kube-apiserver")
	server.Spec.ManagementEgress = []v1alpha1.EgressRule{{CIDR: "172.31.0.1/32", Protocol: "TCP", Port: 7007}}

	// The pod is there first: the NIC waits for the port.
	result := make(chan error, 1)
	go func() {
		output, err := e.cni("ADD", "kube-apiserver-0", "")
		if err != nil {
			err = fmt.Errorf("%w: %s", err, output)
		}
		result <- err
	}()
	e.create(server)
	must(t, <-result)
	await(e, server, func(p *v1alpha1.NetworkPort) bool {
		return p.Status.Attachment != nil && p.Status.Attachment.NodeName == nodeName && p.Status.IPAddress == "10.200.0.10"
	})
	netnstest.Reaches(t, pod, "172.31.0.1", "etcd heard 172.31.0.5")
	netnstest.Blocked(t, pod, "172.31.0.2")
	netnstest.Reaches(t, outside, "172.31.0.5", "kube-apiserver heard 172.31.0.1")
	server.Spec.ManagementEgress[0].CIDR = "172.31.0.2/32"
	patch := e.port(server.Name, "kube-apiserver-0", "10.200.0.10")
	must(t, e.client.Get(t.Context(), client.ObjectKeyFromObject(patch), patch))
	patch.Spec.ManagementEgress = server.Spec.ManagementEgress
	must(t, e.client.Update(t.Context(), patch))
	netnstest.Reaches(t, pod, "172.31.0.2", "kubelet heard 172.31.0.5")
	netnstest.Blocked(t, pod, "172.31.0.1")
}

// plugGuest does in a pod what KubeVirt's bridge binding does: the guest gets
// the NIC's hardware address, the NIC another one, and a bridge joins them.
func (e *environment) plugGuest(machine *v1alpha1.NetworkPort) {
	t := e.t
	t.Helper()
	e.create(machine)
	await(e, machine, identified)
	if machine.Status.IPAddress != "10.200.0.16" || machine.Status.PrefixLength != 24 || machine.Status.MTU != 1350 {
		t.Errorf("status %+v", machine.Status)
	}
	launcher := netnstest.New(t, e.directory, "virt-launcher")
	result := e.add("virt-launcher", machine.Status.MACAddress)
	if len(result.IPs) != 0 || result.Interfaces[0].Mac != machine.Status.MACAddress {
		t.Errorf("result %+v", result)
	}
	guest := netnstest.New(t, e.directory, "guest")
	netnstest.Connect(t, launcher, "tap0", guest, "eth0", netip.PrefixFrom(netip.MustParseAddr(machine.Status.IPAddress), 24))
	for _, command := range []string{
		"ip link set fabric0 down", "ip link set fabric0 address 02:00:00:00:00:01", "ip link add k6t-fabric0 type bridge",
		"ip link set fabric0 master k6t-fabric0", "ip link set tap0 master k6t-fabric0",
		"ip link set fabric0 up", "ip link set k6t-fabric0 up",
	} {
		netnstest.Run(t, launcher, command)
	}
	netnstest.Run(t, guest, "ip link set eth0 address "+machine.Status.MACAddress)
	netnstest.Reaches(t, guest, "10.200.0.10", "kube-apiserver heard 10.200.0.16")
	// The guest can neither use the API server's pod as a way to the management
	// network, nor its own.
	netnstest.Run(t, guest, "ip route add 172.31.0.0/24 via 10.200.0.10")
	netnstest.Blocked(t, guest, "172.31.0.1")
	if e.directoryHas("slipway-") != 1 {
		t.Error("there is no gateway")
	}
}

func (e *environment) directoryHas(prefix string) int {
	names, err := filepath.Glob(filepath.Join(e.directory, prefix+"*"))
	must(e.t, err)
	return len(names)
}
