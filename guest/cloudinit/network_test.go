package cloudinit

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var compareAddresses = cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})

func TestParseNetwork(t *testing.T) {
	fabric := Ethernet{
		Name: "fabric", MAC: net.HardwareAddr{2, 0, 10, 0, 0, 2}, MTU: 1450,
		Addresses:   []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")},
		Routes:      []Route{{Via: netip.MustParseAddr("10.0.0.1")}},
		Nameservers: []netip.Addr{netip.MustParseAddr("10.0.0.1")},
		Search:      []string{"example.org"},
	}
	body := `
ethernets:
  fabric:
    match: {macaddress: "02:00:0a:00:00:02"}
    mtu: 1450
    addresses: [10.0.0.2/24]
    nameservers: {addresses: [10.0.0.1], search: [example.org]}
`
	tests := map[string]struct {
		data string
		want Network
	}{
		"nothing":                  {"", Network{}},
		"gateway4":                 {"version: 2" + body + "    gateway4: 10.0.0.1\n", Network{[]Ethernet{fabric}}},
		"default route":            {"version: 2" + body + "    routes: [{to: default, via: 10.0.0.1}]\n", Network{[]Ethernet{fabric}}},
		"default route in numbers": {"version: 2" + body + "    routes: [{to: 0.0.0.0/0, via: 10.0.0.1}]\n", Network{[]Ethernet{fabric}}},
		"wrapped": {
			"network:\n" + indent("version: 2"+body+"    gateway4: 10.0.0.1\n"), Network{[]Ethernet{fabric}},
		},
		"interfaces in the order of their names, routes of all kinds": {
			"version: 2\nethernets:\n  eth1: {gateway6: 'fd00::1'}\n  eth0: {match: {name: ens3}, routes: [{to: 10.1.2.3/16, on-link: true}, {to: 10.9.9.9, via: 10.1.0.1, metric: 7}]}\n",
			Network{[]Ethernet{
				{Name: "ens3", Routes: []Route{
					{To: netip.MustParsePrefix("10.1.0.0/16"), OnLink: true},
					{To: netip.MustParsePrefix("10.9.9.9/32"), Via: netip.MustParseAddr("10.1.0.1"), Metric: 7},
				}},
				{Name: "eth1", Routes: []Route{{Via: netip.MustParseAddr("fd00::1")}}},
			}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ParseNetwork([]byte(test.data))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, compareAddresses); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestParseNetworkErrors(t *testing.T) {
	tests := map[string]struct{ data, want string }{
		"version 1":                       {"version: 1\nconfig: []\n", "version 1 is not supported"},
		"DHCP":                            {"version: 2\nethernets: {a: {dhcp4: true}}", "DHCP"},
		"a MAC address of five bytes":     {"version: 2\nethernets: {a: {match: {macaddress: '02:00:00:00:01'}}}", "ethernet a"},
		"an address without prefix":       {"version: 2\nethernets: {a: {addresses: [10.0.0.1]}}", "address"},
		"a name for a name server":        {"version: 2\nethernets: {a: {nameservers: {addresses: [dns.example.org]}}}", "name server"},
		"a default route to nowhere":      {"version: 2\nethernets: {a: {routes: [{to: default}]}}", "needs a gateway"},
		"a destination that is no number": {"version: 2\nethernets: {a: {routes: [{to: home, via: 10.0.0.1}]}}", "route"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := ParseNetwork([]byte(test.data))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestResolvConf(t *testing.T) {
	one, two := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")
	network := Network{[]Ethernet{
		{Nameservers: []netip.Addr{one, two}, Search: []string{"a.org"}},
		{Nameservers: []netip.Addr{one}, Search: []string{"a.org", "b.org"}},
	}}
	want := "nameserver 10.0.0.1\nnameserver fd00::1\nsearch a.org b.org\n"
	if diff := cmp.Diff(want, network.ResolvConf()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := (Network{}).ResolvConf(); got != "" {
		t.Errorf("without name servers: %q", got)
	}
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ") + "\n"
}
