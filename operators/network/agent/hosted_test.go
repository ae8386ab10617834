package agent

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/testenv"
	"slipway.dev/operators/network/cni/socket"
	"slipway.dev/operators/network/fabric"
	"slipway.dev/operators/network/netlink"
	"slipway.dev/operators/network/netnstest"
)

// A network that somebody made elsewhere is carried by no node, though its
// status and its port's say what an operator would.
func TestNICsAreOfHostedNamespacesOnly(t *testing.T) {
	directory := netnstest.Directory(t)
	node, pod := netnstest.New(t, directory, "self"), netnstest.New(t, directory, "pod")
	host, err := netlink.NewHost(node, directory)
	must(t, err)
	t.Cleanup(func() { must(t, host.Close()) })
	c := testenv.Client(t, testenv.Start(t, testenv.SlipwayCRDs(3)), testenv.Scheme(t, v1alpha1.AddToScheme))
	forge(t, c)
	a := &Agent{Client: c, Live: c, Writer: apply.NewWriter(c, Owner), Host: host, Config: fabric.Config{
		NodeName: "here", VTEP: netip.MustParseAddr("10.99.0.1"), Port: 4790, Uplink: netip.MustParsePrefix("100.64.0.0/10"),
	}}
	before := netnstest.Snapshot(t, node)
	_, err = a.Handle(t.Context(), socket.Request{
		Command: socket.Add, ContainerID: "c", Namespace: pod, Interface: "fabric0",
		PodNamespace: corev1.NamespaceDefault, PodName: "pod", Network: "demo",
	})
	if want := "namespace default is not the hosted namespace of a TenantCluster"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q", err, want)
	}
	if diff := cmp.Diff(before, netnstest.Snapshot(t, node)); diff != "" {
		t.Errorf("the node has changed (-before +after):\n%s", diff)
	}
}

// forge makes a network and a port that have an identity.
func forge(t *testing.T, c client.Client) {
	t.Helper()
	network := &v1alpha1.TenantNetwork{
		ObjectMeta: metav1.ObjectMeta{Namespace: corev1.NamespaceDefault, Name: "demo"},
		Spec:       v1alpha1.TenantNetworkSpec{NodeCIDR: "10.200.0.0/24", PodCIDR: "10.244.0.0/16", ServiceCIDR: "10.96.0.0/16"},
	}
	port := &v1alpha1.NetworkPort{
		ObjectMeta: metav1.ObjectMeta{Namespace: corev1.NamespaceDefault, Name: "pod"},
		Spec:       v1alpha1.NetworkPortSpec{NetworkName: "demo", PodName: "pod"},
	}
	for _, object := range []client.Object{network, port} {
		must(t, c.Create(t.Context(), object))
	}
	gateway := &v1alpha1.Gateway{IPAddress: "10.200.0.1", MACAddress: "02:2a:0a:c8:00:01"}
	network.Status = v1alpha1.TenantNetworkStatus{VNI: new(int32(42)), MTU: 1450, Gateway: gateway}
	port.Status = v1alpha1.NetworkPortStatus{
		IPAddress: "10.200.0.16", MACAddress: "02:2a:0a:c8:00:10", PrefixLength: 24, Gateway: gateway.IPAddress, MTU: 1450,
	}
	for _, object := range []client.Object{network, port} {
		must(t, c.Status().Update(t.Context(), object))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
