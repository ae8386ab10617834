package allocation

import (
	"fmt"
	"net/netip"

	"slipway.dev/api/v1alpha1"
)

// refusal says why a port has no address, in words for its condition.
type refusal struct {
	reason, message string
}

func refuse(reason, format string, values ...any) *refusal {
	return &refusal{reason: reason, message: fmt.Sprintf(format, values...)}
}

// addressFor returns the address of a port, given all ports of its network:
// what it has, else what it asks for, else the lowest that is free and that no
// other asks for, as one does that has lost its status. Where two have the same,
// the older one keeps it.
func addressFor(nodes netip.Prefix, port v1alpha1.NetworkPort, all []v1alpha1.NetworkPort) (netip.Addr, *refusal) {
	taken, asked := map[netip.Addr]string{}, map[netip.Addr]bool{}
	for _, other := range all {
		if other.UID == port.UID || other.Spec.NetworkName != port.Spec.NetworkName {
			continue
		}
		if address, err := netip.ParseAddr(other.Status.IPAddress); err == nil && (port.Status.IPAddress != other.Status.IPAddress || older(other, port)) {
			taken[address] = other.Name
		}
		if address, err := netip.ParseAddr(other.Spec.IPAddress); err == nil {
			asked[address] = true
		}
	}
	var wanted netip.Addr
	if port.Spec.IPAddress != "" {
		address, err := netip.ParseAddr(port.Spec.IPAddress)
		if err != nil || !usable(nodes, address) {
			return netip.Addr{}, refuse(v1alpha1.ReasonInvalidAddress, "spec.ipAddress %q is not a free address of %s", port.Spec.IPAddress, nodes)
		}
		wanted = address
	}
	if current, err := netip.ParseAddr(port.Status.IPAddress); err == nil && taken[current] == "" && usable(nodes, current) {
		if wanted.IsValid() && wanted != current {
			return netip.Addr{}, refuse(v1alpha1.ReasonAddressFixed, "the port has %s already; make another port for %s", current, wanted)
		}
		return current, nil
	}
	if wanted.IsValid() {
		if holder := taken[wanted]; holder != "" {
			return netip.Addr{}, refuse(v1alpha1.ReasonAddressTaken, "NetworkPort %s has address %s", holder, wanted)
		}
		return wanted, nil
	}
	first, err := v1alpha1.FirstDynamicAddress(v1alpha1.CIDR(nodes.String()))
	if err != nil {
		return netip.Addr{}, refuse(v1alpha1.ReasonNetworkFull, "%s is too small", nodes)
	}
	for address := first; usable(nodes, address); address = address.Next() {
		if taken[address] == "" && !asked[address] {
			return address, nil
		}
	}
	return netip.Addr{}, refuse(v1alpha1.ReasonNetworkFull, "all addresses of %s are in use by NetworkPorts", nodes)
}

// usable leaves out the range itself, the gateway and the broadcast address.
func usable(nodes netip.Prefix, address netip.Addr) bool {
	gateway := nodes.Masked().Addr().Next()
	return nodes.Contains(address) && gateway.Less(address) && nodes.Contains(address.Next())
}

// older orders ports by age, and those of one second by name.
func older(a, b v1alpha1.NetworkPort) bool {
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return a.Name < b.Name
}
