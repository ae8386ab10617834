package allocation

import (
	"testing"

	nadv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
)

// node is a HostNetwork that has programmed a generation of the network "uid", or
// does not carry it where that is 0.
func node(name string, mtu int32, programmed int64) v1alpha1.HostNetwork {
	host := v1alpha1.HostNetwork{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.HostNetworkSpec{MTU: mtu}}
	if programmed != 0 {
		host.Status.Networks = []v1alpha1.ProgrammedNetwork{{VNI: 7, UID: "uid", Generation: programmed}}
	}
	return host
}

func demo() v1alpha1.TenantNetwork {
	return v1alpha1.TenantNetwork{
		ObjectMeta: metav1.ObjectMeta{Name: "demo", Namespace: "hosted", UID: "uid", Generation: 2},
		Spec:       v1alpha1.TenantNetworkSpec{NodeCIDR: "10.200.0.0/26"},
	}
}

func TestNetworkStatus(t *testing.T) {
	for name, test := range map[string]struct {
		hosts   []v1alpha1.HostNetwork
		had     int32 // MTU
		want    int32
		ready   string
		message string
	}{
		"nobody carries it":       {[]v1alpha1.HostNetwork{node("a", 1500, 0)}, 0, 1450, "True Allocated", ""},
		"programmed everywhere":   {[]v1alpha1.HostNetwork{node("a", 1500, 2), node("b", 9000, 2)}, 0, 1450, "True Allocated", ""},
		"two are behind":          {[]v1alpha1.HostNetwork{node("b", 1500, 1), node("c", 1500, 2), node("a", 1500, 1)}, 0, 1450, "False Programming", "waits for HostNetwork a, HostNetwork b"},
		"no agent yet":            {nil, 0, 0, "False NoHostNetwork", "no node agent has made a HostNetwork yet, and the MTU comes from those"},
		"guests know the MTU":     {[]v1alpha1.HostNetwork{node("a", 1500, 2)}, 1400, 1400, "True Allocated", ""},
		"all HostNetworks lost":   {nil, 1450, 1450, "True Allocated", ""},
		"a node became too small": {[]v1alpha1.HostNetwork{node("a", 1400, 2)}, 1450, 1450, "False MTUTooSmall", "packets of 1450 bytes and the headers of the tunnel do not fit through HostNetwork a: raise the MTU of that node's interface"},
		"another node is small":   {[]v1alpha1.HostNetwork{node("a", 1500, 2), node("b", 1400, 0)}, 1450, 1450, "True Allocated", ""},
	} {
		t.Run(name, func(t *testing.T) {
			seen := Observation{
				Network: demo(), Hosts: test.hosts,
				Identifier: &v1alpha1.VirtualNetworkID{ObjectMeta: metav1.ObjectMeta{Name: "7"}},
			}
			seen.Network.Status.MTU = test.had
			status, err := NetworkStatus(seen)
			if err != nil {
				t.Fatal(err)
			}
			var mtu int32
			if status.MTU != nil {
				mtu = *status.MTU
			}
			if mtu != test.want || *status.VNI != 7 || *status.Gateway.IPAddress != "10.200.0.1" || *status.ObservedGeneration != 2 {
				t.Errorf("MTU %d, want %d; VNI %d, gateway %s, generation %d", mtu, test.want, *status.VNI, *status.Gateway.IPAddress, *status.ObservedGeneration)
			}
			ready := status.Conditions[0]
			if got := string(*ready.Status) + " " + *ready.Reason; got != test.ready || *ready.Message != test.message {
				t.Errorf("Ready is %s %q, want %s %q", got, *ready.Message, test.ready, test.message)
			}
		})
	}
}

func TestBlockers(t *testing.T) {
	seen := Observation{
		Network:    demo(),
		Definition: &nadv1.NetworkAttachmentDefinition{ObjectMeta: metav1.ObjectMeta{Name: "demo"}},
		Ports:      []*v1alpha1.NetworkPort{{ObjectMeta: metav1.ObjectMeta{Name: "worker"}}},
		Hosts:      []v1alpha1.HostNetwork{node("carries", 1500, 1), node("free", 1500, 0)},
	}
	const want = "HostNetwork carries, NetworkAttachmentDefinition demo, NetworkPort worker"
	if got := Blockers(seen); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := Blockers(Observation{Network: demo(), Hosts: []v1alpha1.HostNetwork{node("free", 1500, 0)}}); got != "" {
		t.Errorf("blocked by %q", got)
	}
}

// TestClaims: a network that is restored has another UID and the same name.
func TestClaims(t *testing.T) {
	network := demo()
	claim := VirtualNetworkID(network, 7)
	network.UID = "restored"
	if claim.Name != "7" || !Claims(*claim, network) {
		t.Errorf("%s is not the restored network's", claim.Name)
	}
	network.Namespace = "another"
	if Claims(*claim, network) {
		t.Error("a network of that name in another namespace has it")
	}
}
