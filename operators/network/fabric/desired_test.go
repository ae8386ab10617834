package fabric

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/golden"
)

func host(name, vtep string, mtu int32, addresses ...string) v1alpha1.HostNetwork {
	return v1alpha1.HostNetwork{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.HostNetworkSpec{VTEP: vtep, MTU: mtu, Addresses: addresses},
	}
}

func tenant(name string, vni int32) v1alpha1.TenantNetwork {
	gateway := netip.MustParseAddr("10.200.0.1")
	return v1alpha1.TenantNetwork{
		ObjectMeta: metav1.ObjectMeta{Namespace: "tenant-" + name, Name: name, UID: types.UID(name)},
		Spec:       v1alpha1.TenantNetworkSpec{NodeCIDR: "10.200.0.0/24", PodCIDR: "10.244.0.0/16", ServiceCIDR: "10.96.0.0/16"},
		Status: v1alpha1.TenantNetworkStatus{
			VNI: &vni, MTU: 1450, Gateway: &v1alpha1.Gateway{IPAddress: gateway.String(), MACAddress: MAC(vni, gateway).String()},
		},
	}
}

func nic(tn v1alpha1.TenantNetwork, name, ip, node string) v1alpha1.NetworkPort {
	p := v1alpha1.NetworkPort{
		ObjectMeta: metav1.ObjectMeta{Namespace: tn.Namespace, Name: name, UID: types.UID(tn.Name + "-" + name)},
		Spec:       v1alpha1.NetworkPortSpec{NetworkName: tn.Name},
		Status:     v1alpha1.NetworkPortStatus{IPAddress: ip, MACAddress: MAC(*tn.Status.VNI, netip.MustParseAddr(ip)).String()},
	}
	if node != "" {
		p.Status.Attachment = &v1alpha1.PortAttachment{NodeName: node, ContainerID: "container-of-" + name}
	}
	return p
}

func plugged(tn v1alpha1.TenantNetwork, p v1alpha1.NetworkPort, index int) Attachment {
	alias := Alias{NetworkUID: string(tn.UID), PortUID: string(p.UID), ContainerID: "container-of-" + p.Name, Interface: "fabric0"}
	return Attachment{Alias: alias, Link: PortName(alias.ContainerID, alias.Interface), Index: index, Namespace: "cni-" + p.Name}
}

// example is node a of two. It has a pod and a worker of one tenant; a second
// tenant, with the same addresses, is on the other node only.
func example() Input {
	red, blue := tenant("red", 0x2a), tenant("blue", 0x2b)
	server := nic(red, "kube-apiserver-0", "10.200.0.10", "a")
	server.Spec.PodName = server.Name
	server.Spec.ManagementEgress = []v1alpha1.EgressRule{{CIDR: "172.29.0.0/16", Protocol: "TCP", Port: 2379}, {CIDR: "172.29.0.10/32", Protocol: "UDP", Port: 53}}
	worker := nic(red, "worker-1", "10.200.0.16", "a")
	// The second range is not the tenant's to route.
	worker.Spec.Routes = []v1alpha1.CIDR{"10.244.1.0/24", "172.31.0.0/16"}
	far := nic(red, "worker-2", "10.200.0.17", "b")
	far.Spec.Routes = []v1alpha1.CIDR{"10.244.1.0/24", "10.244.2.0/24"} // the first is taken
	return Input{
		Config: Config{
			NodeName: "a", VTEP: netip.MustParseAddr("192.0.2.1"), Port: 4790, Uplink: netip.MustParsePrefix("100.64.0.0/10"),
			EgressAllow: []netip.Prefix{netip.MustParsePrefix("172.30.0.1/32")},
			EgressDeny:  []netip.Prefix{netip.MustParsePrefix("172.31.0.0/16")},
			Management:  []netip.Prefix{netip.MustParsePrefix("172.29.0.0/16")},
			Connections: ConnectionLimit{Max: 4096, PerSecond: 200},
		},
		Hosts:    []v1alpha1.HostNetwork{host("a", "192.0.2.1", 1500, "192.0.2.1"), host("b", "192.0.2.2", 1500, "192.0.2.2", "198.51.100.2")},
		Networks: []v1alpha1.TenantNetwork{red, blue},
		Ports: []v1alpha1.NetworkPort{
			server, worker, far, nic(red, "worker-3", "10.200.0.18", ""), nic(blue, "worker-1", "10.200.0.16", "b"),
		},
		Attachments: []Attachment{plugged(red, server, 7), plugged(red, worker, 9)},
	}
}

func TestDesired(t *testing.T) {
	state, programmed := Desired(example())
	want := []v1alpha1.ProgrammedNetwork{{VNI: 0x2a, UID: "red", Ports: 4}}
	if diff := cmp.Diff(want, programmed); diff != "" {
		t.Errorf("programmed (-want +got):\n%s", diff)
	}
	golden.File(t, "node-a.txt", write(state))
}

func write(s State) string {
	var b strings.Builder
	for _, n := range s.Namespaces {
		fmt.Fprintf(&b, "namespace %s of %s\n", n.Name, n.Alias)
	}
	for _, l := range s.Links {
		fmt.Fprintf(&b, "link %+v\n", l)
	}
	for _, a := range s.Addresses {
		fmt.Fprintf(&b, "address %+v\n", a)
	}
	for _, f := range s.Forwarding {
		fmt.Fprintf(&b, "forward %+v\n", f)
	}
	for _, n := range s.Neighbours {
		fmt.Fprintf(&b, "neighbour %+v\n", n)
	}
	for _, r := range s.Routes {
		fmt.Fprintf(&b, "route %+v\n", r)
	}
	for _, c := range s.Sysctls {
		fmt.Fprintf(&b, "setting %+v\n", c)
	}
	for _, t := range s.Tables {
		fmt.Fprintf(&b, "in %q %s", t.Namespace, t)
	}
	return b.String()
}

func TestNothingWithoutNICs(t *testing.T) {
	in := example()
	for name, change := range map[string]func(*Input){
		"none is plugged in":   func(in *Input) { in.Attachments = nil },
		"their ports are gone": func(in *Input) { in.Ports = nil },
		"no identity yet":      func(in *Input) { in.Networks[0].Status = v1alpha1.TenantNetworkStatus{} },
	} {
		t.Run(name, func(t *testing.T) {
			changed := in
			changed.Networks = append([]v1alpha1.TenantNetwork(nil), in.Networks...)
			change(&changed)
			state, programmed := Desired(changed)
			if diff := cmp.Diff(State{}, state); diff != "" || len(programmed) != 0 {
				t.Errorf("%v\n%s", programmed, diff)
			}
		})
	}
}

// A machine may be plugged in on its new node before it is gone from the old.
func TestPortThatMoved(t *testing.T) {
	in := example()
	in.Ports[1].Status.Attachment.NodeName = "b"
	state, _ := Desired(in)
	mac := in.Ports[1].Status.MACAddress
	var got []ForwardingEntry
	for _, f := range state.Forwarding {
		if f.MAC == mac {
			got = append(got, f)
		}
	}
	want := []ForwardingEntry{{Link: "swx00002a", MAC: mac}, {Link: "swx00002a", MAC: mac, Tunnel: netip.MustParseAddr("192.0.2.2")}}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("forwarding (-want +got):\n%s", diff)
	}
}
