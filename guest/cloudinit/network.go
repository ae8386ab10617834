package cloudinit

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// Network is a network configuration of version 2, reduced to what the guest can do: static addresses on Ethernet.
type Network struct {
	Ethernets []Ethernet // in the order of their identifiers
}

// Ethernet configures one interface. It is found by MAC address if there is one, else by name.
type Ethernet struct {
	Name        string
	MAC         net.HardwareAddr
	MTU         int // 0: leave as it is
	Addresses   []netip.Prefix
	Routes      []Route
	Nameservers []netip.Addr
	Search      []string
}

// Route is one route; a zero To is the default route, a zero Via means that the destination is on the link.
type Route struct {
	To     netip.Prefix
	Via    netip.Addr
	Metric int
	OnLink bool
}

type rawNetwork struct {
	Version   int                    `json:"version"`
	Ethernets map[string]rawEthernet `json:"ethernets"`
}

type rawEthernet struct {
	Match struct {
		MAC  string `json:"macaddress"`
		Name string `json:"name"`
	} `json:"match"`
	DHCP4       bool       `json:"dhcp4"`
	DHCP6       bool       `json:"dhcp6"`
	Addresses   []string   `json:"addresses"`
	Gateway4    string     `json:"gateway4"`
	Gateway6    string     `json:"gateway6"`
	MTU         int        `json:"mtu"`
	Routes      []rawRoute `json:"routes"`
	Nameservers struct {
		Addresses []string `json:"addresses"`
		Search    []string `json:"search"`
	} `json:"nameservers"`
}

type rawRoute struct {
	To     string `json:"to"`
	Via    string `json:"via"`
	Metric int    `json:"metric"`
	OnLink bool   `json:"on-link"`
}

// ParseNetwork reads a network-config file, whose content may or may not be wrapped in a top-level "network".
func ParseNetwork(data []byte) (Network, error) {
	var raw struct {
		rawNetwork
		Wrapped *rawNetwork `json:"network"`
	}
	if err := yaml.Unmarshal(data, &raw); err != nil {
		return Network{}, fmt.Errorf("network-config: %w", err)
	}
	config := raw.rawNetwork
	if raw.Wrapped != nil {
		config = *raw.Wrapped
	}
	if config.Version == 0 && len(config.Ethernets) == 0 {
		return Network{}, nil
	}
	if config.Version != 2 {
		return Network{}, fmt.Errorf("network-config: version %d is not supported, only 2", config.Version)
	}
	var network Network
	for _, id := range slices.Sorted(maps.Keys(config.Ethernets)) {
		ethernet, err := config.Ethernets[id].parse(id)
		if err != nil {
			return Network{}, fmt.Errorf("network-config: ethernet %s: %w", id, err)
		}
		network.Ethernets = append(network.Ethernets, ethernet)
	}
	return network, nil
}

func (r rawEthernet) parse(id string) (Ethernet, error) {
	e := Ethernet{Name: id, MTU: r.MTU, Search: r.Nameservers.Search}
	if r.DHCP4 || r.DHCP6 {
		return e, errors.New("DHCP is not supported, only static addresses")
	}
	if r.Match.Name != "" {
		e.Name = r.Match.Name
	}
	var err error
	if r.Match.MAC != "" {
		if e.MAC, err = net.ParseMAC(r.Match.MAC); err != nil {
			return e, err
		}
	}
	for _, a := range r.Addresses {
		prefix, err := netip.ParsePrefix(a)
		if err != nil {
			return e, fmt.Errorf("address: %w", err)
		}
		e.Addresses = append(e.Addresses, prefix)
	}
	for _, n := range r.Nameservers.Addresses {
		address, err := netip.ParseAddr(n)
		if err != nil {
			return e, fmt.Errorf("name server: %w", err)
		}
		e.Nameservers = append(e.Nameservers, address)
	}
	e.Routes, err = r.routes()
	return e, err
}

func (r rawEthernet) routes() ([]Route, error) {
	all := slices.Clone(r.Routes)
	for _, gateway := range []string{r.Gateway4, r.Gateway6} {
		if gateway != "" {
			all = append(all, rawRoute{To: "default", Via: gateway})
		}
	}
	var routes []Route
	for _, raw := range all {
		route := Route{Metric: raw.Metric, OnLink: raw.OnLink}
		var err error
		if raw.Via != "" {
			if route.Via, err = netip.ParseAddr(raw.Via); err != nil {
				return nil, fmt.Errorf("route: %w", err)
			}
		}
		if route.To, err = parseDestination(raw.To); err != nil {
			return nil, fmt.Errorf("route: %w", err)
		}
		if !route.To.IsValid() && !route.Via.IsValid() {
			return nil, errors.New("route: a default route needs a gateway")
		}
		routes = append(routes, route)
	}
	return routes, nil
}

func parseDestination(to string) (netip.Prefix, error) {
	switch {
	case to == "default", to == "0.0.0.0/0", to == "::/0":
		return netip.Prefix{}, nil
	case strings.Contains(to, "/"):
		prefix, err := netip.ParsePrefix(to)
		return prefix.Masked(), err
	}
	address, err := netip.ParseAddr(to)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(address, address.BitLen()), nil
}

// ResolvConf is the content of /etc/resolv.conf that the name servers of all interfaces make, without repetition.
func (n Network) ResolvConf() string {
	var servers, search []string
	for _, e := range n.Ethernets {
		for _, s := range e.Nameservers {
			servers = appendNew(servers, s.String())
		}
		for _, s := range e.Search {
			search = appendNew(search, s)
		}
	}
	var b strings.Builder
	for _, s := range servers {
		fmt.Fprintf(&b, "nameserver %s\n", s)
	}
	if len(search) > 0 {
		fmt.Fprintf(&b, "search %s\n", strings.Join(search, " "))
	}
	return b.String()
}

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}
