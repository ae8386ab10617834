package allocation

import (
	"slices"

	"slipway.dev/api/v1alpha1"
)

// tunnelHeaders are Ethernet 14, IPv4 20, UDP 8, VXLAN 8.
const tunnelHeaders = 50

// mtuOf is the greatest size of a packet on the networks, given the hosts: what
// the tunnel adds is taken off the smallest. It is 0 without hosts.
func mtuOf(hosts []v1alpha1.HostNetwork, wanted *int32) int32 {
	var mtu int32
	for i, h := range hosts {
		if i == 0 || h.Spec.MTU-tunnelHeaders < mtu {
			mtu = h.Spec.MTU - tunnelHeaders
		}
	}
	if wanted != nil && *wanted < mtu {
		return *wanted
	}
	return mtu
}

// carriers are the nodes that have not reported yet that they dropped a network.
func carriers(hosts []v1alpha1.HostNetwork, uid string) []string {
	var names []string
	for _, h := range hosts {
		if slices.ContainsFunc(h.Status.Networks, func(p v1alpha1.ProgrammedNetwork) bool { return p.UID == uid }) {
			names = append(names, h.Name)
		}
	}
	slices.Sort(names)
	return names
}

// narrow are the nodes that carry a network and cannot take packets of its size.
func narrow(hosts []v1alpha1.HostNetwork, uid string, mtu int32) []string {
	return slices.DeleteFunc(carriers(hosts, uid), func(name string) bool {
		return !slices.ContainsFunc(hosts, func(h v1alpha1.HostNetwork) bool { return h.Name == name && h.Spec.MTU-tunnelHeaders < mtu })
	})
}

// behind are the nodes that carry a network and have not programmed a
// generation of it yet.
func behind(hosts []v1alpha1.HostNetwork, uid string, generation int64) []string {
	var names []string
	for _, h := range hosts {
		if slices.ContainsFunc(h.Status.Networks, func(p v1alpha1.ProgrammedNetwork) bool { return p.UID == uid && p.Generation < generation }) {
			names = append(names, h.Name)
		}
	}
	slices.Sort(names)
	return names
}
