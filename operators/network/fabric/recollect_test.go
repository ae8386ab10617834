package fabric

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
)

// forgetful is the example on a node that is as it should be; its objects may
// be changed at will. Its nodes have no addresses but the ends of their tunnels,
// for the others are known from HostNetworks only.
func forgetful() Input {
	in := example()
	for i := range in.Hosts {
		in.Hosts[i].Spec.Addresses = nil
	}
	in.Observed = observedOf(in)
	return in
}

// What objects do not say anymore stays as it is programmed.
func TestLostKnowledgeChangesNothing(t *testing.T) {
	lose := func(p *v1alpha1.NetworkPort) { p.Status = v1alpha1.NetworkPortStatus{} }
	for name, change := range map[string]func(*Input){
		"nothing is lost":            func(*Input) {},
		"a network without status":   func(in *Input) { in.Networks[0].Status = v1alpha1.TenantNetworkStatus{} },
		"a network without MTU":      func(in *Input) { in.Networks[0].Status.MTU = 0 },
		"a network without gateway":  func(in *Input) { in.Networks[0].Status.Gateway = nil },
		"no HostNetwork":             func(in *Input) { in.Hosts = nil },
		"a NIC here without status":  func(in *Input) { lose(&in.Ports[1]) },
		"a NIC there without status": func(in *Input) { lose(&in.Ports[2]) },
		"all NICs without status": func(in *Input) {
			for i := range in.Ports {
				lose(&in.Ports[i])
			}
		},
		"nothing but the names": func(in *Input) {
			in.Hosts = nil
			in.Networks[0].Status = v1alpha1.TenantNetworkStatus{}
			for i := range in.Ports {
				lose(&in.Ports[i])
			}
		},
		"what the operator says of a NIC whose network is lost": func(in *Input) {
			lose(&in.Ports[1])
			in.Ports[1].Status.Conditions = []metav1.Condition{{Type: "Ready", Status: "False", Reason: "NetworkNotReady"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := forgetful()
			change(&in)
			desired, programmed := Desired(in)
			if c := Plan(in.Observed, desired); !c.Empty() {
				t.Errorf("changes %+v", c)
			}
			if len(programmed) != 1 || programmed[0].VNI != 0x2a || programmed[0].UID != "red" {
				t.Errorf("programmed %+v", programmed)
			}
		})
	}
}

func TestKnownDeletionIsCarriedOut(t *testing.T) {
	worker := PortName("container-of-worker-1", "fabric0")
	for name, test := range map[string]struct {
		change  func(*Input)
		deleted []string
	}{
		"a port, while its network has no status": {
			func(in *Input) {
				in.Networks[0].Status = v1alpha1.TenantNetworkStatus{}
				in.Ports = slices.Delete(in.Ports, 1, 2)
			}, []string{worker},
		},
		"a port that was refused its address": {
			func(in *Input) {
				in.Ports[1].Status = v1alpha1.NetworkPortStatus{Conditions: []metav1.Condition{{Type: "Ready", Status: "False", Reason: v1alpha1.ReasonAddressTaken}}}
			}, []string{worker},
		},
		"the network, while its ports have no status": {
			func(in *Input) {
				in.Networks = in.Networks[1:]
				in.Ports[0].Status, in.Ports[1].Status = v1alpha1.NetworkPortStatus{}, v1alpha1.NetworkPortStatus{}
			}, []string{"swb00002a", "swx00002a", "swg00002a", "swu00002a", PortName("container-of-kube-apiserver-0", "fabric0"), worker},
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := forgetful()
			test.change(&in)
			desired, _ := Desired(in)
			if diff := cmp.Diff(test.deleted, names(Plan(in.Observed, desired).DeleteLinks)); diff != "" {
				t.Errorf("deleted (-want +got):\n%s", diff)
			}
		})
	}
}

// A NIC stays where there is nothing left of its network to learn from.
func TestNICOfALostNetworkStays(t *testing.T) {
	in := forgetful()
	in.Networks[0].Status = v1alpha1.TenantNetworkStatus{}
	in.Observed.Links = without(in.Observed.Links, func(l Link) bool { return vniOf(l.Name) != 0 })
	desired, _ := Desired(in)
	if c := Plan(in.Observed, desired); len(c.DeleteLinks) != 0 {
		t.Errorf("deletes %+v", c.DeleteLinks)
	}
}

func TestPresent(t *testing.T) {
	want := []v1alpha1.ProgrammedNetwork{{VNI: 0x2a, UID: "red"}}
	if diff := cmp.Diff(want, Present(observed())); diff != "" {
		t.Errorf("present (-want +got):\n%s", diff)
	}
}
