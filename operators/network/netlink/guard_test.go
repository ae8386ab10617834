package netlink

import (
	"strings"
	"testing"

	"slipway.dev/operators/network/fabric"
	"slipway.dev/operators/network/netnstest"
)

// A pod is confined also where its namespace has lost its name.
func TestPodWithoutNameIsConfined(t *testing.T) {
	w := newWorld(t, 1)
	w.addNetwork(red)
	pod := w.plug(red, w.nodes[0], "10.200.0.16")
	process := netnstest.Process(t, pod.path)
	netnstest.Remove(t, pod.path)
	w.sync()
	before := netnstest.Run(t, process, "nft list table inet slipway")
	netnstest.Run(t, process, "nft delete table inet slipway")
	w.sync()
	if after := netnstest.Run(t, process, "nft list table inet slipway"); after != before {
		t.Errorf("before %s\nafter %s", before, after)
	}
}

// A NIC whose guard, or whose pod's confinement, cannot be written does not work.
func TestNICWithoutGuardStaysUnplugged(t *testing.T) {
	for name, table := range map[string]func(link string) (namespace, family, name string){
		"guard":       func(link string) (string, string, string) { return "", "netdev", "slipway-" + link },
		"confinement": func(string) (string, string, string) { return "pod-42-10.200.0.16", "inet", "slipway" },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			w.addNetwork(red)
			pod := w.unplugged(red, w.nodes[0], "10.200.0.16")
			host := w.nodes[0].host
			namespace, family, name := table(pod.Name())
			release := netnstest.TakeTable(t, host.path(namespace), family, name)
			must(t, host.Plug(pod.NIC))
			err := host.Apply(w.changes(w.nodes[0]))
			if want := "nftables table " + family + " " + name; err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v does not name %q", err, want)
			}
			if plugged, err := host.Plugged(pod.Alias.ContainerID, pod.Interface); err != nil || plugged {
				t.Errorf("plugged %v, %v", plugged, err)
			}
			if c := w.changes(w.nodes[0]); !c.Concern(w.desired(w.nodes[0]), red, pod.Alias.NetworkUID) || c.Concern(fabric.State{}, blue, "blue") {
				t.Errorf("the network is not concerned, or another is, by %+v", c)
			}
			release()
			w.sync()
			if plugged, err := host.Plugged(pod.Alias.ContainerID, pod.Interface); err != nil || !plugged {
				t.Errorf("plugged %v, %v", plugged, err)
			}
		})
	}
}
