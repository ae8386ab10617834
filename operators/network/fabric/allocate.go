package fabric

import (
	"fmt"
	"hash/fnv"
	"iter"
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/util/sets"

	"slipway.dev/api/v1alpha1"
)

// VNICandidates returns the identifiers that a network may have, in the order in
// which it should try them: what it had, then from a hash of its UID on, so that
// two networks seldom want the same, and the same network always begins with the
// same.
func VNICandidates(uid string, had *int32) iter.Seq[int32] {
	sum := fnv.New32a()
	sum.Write([]byte(uid))
	first := sum.Sum32() % MaxVNI
	return func(yield func(int32) bool) {
		if had != nil && *had >= 1 && *had <= MaxVNI && !yield(*had) {
			return
		}
		for i := range uint32(MaxVNI) {
			if !yield(int32((first+i)%MaxVNI) + 1) {
				return
			}
		}
	}
}

// Refusal says why a port has no address, in words for its condition.
type Refusal struct {
	Reason, Message string
}

func (r *Refusal) Error() string { return r.Message }

func refuse(reason, format string, values ...any) *Refusal {
	return &Refusal{Reason: reason, Message: fmt.Sprintf(format, values...)}
}

// Reasons of refusals.
const (
	ReasonInvalidAddress = "InvalidAddress"
	ReasonAddressTaken   = "AddressTaken"
	ReasonAddressFixed   = "AddressFixed"
	ReasonNetworkFull    = "NetworkFull"
)

var refusals = sets.New(ReasonInvalidAddress, ReasonAddressTaken, ReasonAddressFixed, ReasonNetworkFull)

// AllocateAddress returns the address of a port, given all ports of its network:
// what it has, else what it asks for, else the lowest that is free and that no
// other asks for, as one does that has lost its status. Where two have the same,
// the older one keeps it. An error is a Refusal.
func AllocateAddress(nodes netip.Prefix, port v1alpha1.NetworkPort, all []v1alpha1.NetworkPort) (netip.Addr, error) {
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
			return netip.Addr{}, refuse(ReasonInvalidAddress, "spec.ipAddress %q is not a free address of %s", port.Spec.IPAddress, nodes)
		}
		wanted = address
	}
	if current, err := netip.ParseAddr(port.Status.IPAddress); err == nil && taken[current] == "" && usable(nodes, current) {
		if wanted.IsValid() && wanted != current {
			return netip.Addr{}, refuse(ReasonAddressFixed, "the port has %s already; make another port for %s", current, wanted)
		}
		return current, nil
	}
	if wanted.IsValid() {
		if holder := taken[wanted]; holder != "" {
			return netip.Addr{}, refuse(ReasonAddressTaken, "NetworkPort %s has address %s", holder, wanted)
		}
		return wanted, nil
	}
	first, err := v1alpha1.FirstDynamicAddress(v1alpha1.CIDR(nodes.String()))
	if err != nil {
		return netip.Addr{}, refuse(ReasonNetworkFull, "%s is too small", nodes)
	}
	for address := first; usable(nodes, address); address = address.Next() {
		if taken[address] == "" && !asked[address] {
			return address, nil
		}
	}
	return netip.Addr{}, refuse(ReasonNetworkFull, "all addresses of %s are in use by NetworkPorts", nodes)
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

// Carriers are the nodes that have not reported yet that they dropped a network.
func Carriers(hosts []v1alpha1.HostNetwork, uid string) []string {
	var names []string
	for _, h := range hosts {
		if slices.ContainsFunc(h.Status.Networks, func(p v1alpha1.ProgrammedNetwork) bool { return p.UID == uid }) {
			names = append(names, h.Name)
		}
	}
	slices.Sort(names)
	return names
}

// Narrow are the nodes that carry a network and cannot take packets of its size.
func Narrow(hosts []v1alpha1.HostNetwork, uid string, mtu int32) []string {
	return slices.DeleteFunc(Carriers(hosts, uid), func(name string) bool {
		return !slices.ContainsFunc(hosts, func(h v1alpha1.HostNetwork) bool { return h.Name == name && h.Spec.MTU-tunnelHeaders < mtu })
	})
}

// Behind are the nodes that carry a network and have not programmed a
// generation of it yet.
func Behind(hosts []v1alpha1.HostNetwork, uid string, generation int64) []string {
	var names []string
	for _, h := range hosts {
		if slices.ContainsFunc(h.Status.Networks, func(p v1alpha1.ProgrammedNetwork) bool { return p.UID == uid && p.Generation < generation }) {
			names = append(names, h.Name)
		}
	}
	slices.Sort(names)
	return names
}
