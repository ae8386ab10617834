package authority

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/miekg/dns"

	"slipway.dev/operators/dns/bindtest"
	"slipway.dev/operators/dns/zone"
)

func TestLookup(t *testing.T) {
	bind := bindtest.Start(t)
	server := Server{Address: bind.Address}
	bind.Set(t, "api.example.test", "60 IN A 192.0.2.1", "60 IN A 192.0.2.2", "60 IN AAAA 2001:db8::1")
	bind.Set(t, "*.apps.example.test", "60 IN A 192.0.2.9")
	bind.Set(t, "alias.example.test", "60 IN CNAME api.example.test.")
	bind.Set(t, "abroad.example.test", "60 IN CNAME LB.example.org.")
	bind.Set(t, "dangling.example.test", "60 IN CNAME none.example.test.")
	bind.Set(t, "*.web.example.test", "60 IN CNAME lb.example.org.")
	var many, manyWant []string
	for i := range 90 { // more than fits a UDP packet of 512 bytes; BIND allows 100
		address := fmt.Sprintf("198.51.100.%d", i)
		many, manyWant = append(many, "60 IN A "+address), append(manyWant, address)
	}
	bind.Set(t, "many.example.test", many...)
	tests := map[string]struct {
		name  string
		want  []string
		alias string
		err   string
	}{
		"both families":                         {name: "api.example.test", want: []string{"192.0.2.1", "192.0.2.2", "2001:db8::1"}},
		"below a wildcard":                      {name: "shop.apps.example.test", want: []string{"192.0.2.9"}},
		"no such name":                          {name: "none.example.test"},
		"no such type":                          {name: "example.test"},
		"alias within the zone is not followed": {name: "alias.example.test", alias: "api.example.test"},
		"alias of another's name":               {name: "abroad.example.test", alias: "lb.example.org"},
		"alias of nothing":                      {name: "dangling.example.test", alias: "none.example.test"},
		"below a wildcard alias":                {name: "shop.web.example.test", alias: "lb.example.org"},
		"truncated":                             {name: "many.example.test", want: manyWant},
		"another's zone":                        {name: "example.com", err: "server " + bind.Address + " answers REFUSED"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := server.Lookup(t.Context(), test.name)
			if test.err != "" {
				if err == nil || err.Error() != test.err {
					t.Errorf("got error %v, want %s", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var want []netip.Addr
			for _, text := range test.want {
				want = append(want, netip.MustParseAddr(text))
			}
			if diff := cmp.Diff(zone.Target{Addresses: zone.NewTarget(want...).Addresses, Alias: test.alias}, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLookupWithoutServer(t *testing.T) {
	bind := bindtest.Start(t)
	bind.Stop(t)
	server := Server{Address: bind.Address}
	_, first := server.Lookup(t.Context(), "api.example.test")
	_, second := server.Lookup(t.Context(), "api.example.test")
	if first == nil || !strings.Contains(first.Error(), "does not answer") {
		t.Fatalf("got error %v", first)
	}
	if first.Error() != second.Error() {
		t.Errorf("the same failure reads differently:\n%v\n%v", first, second)
	}
}

// What an alias leads to is not the name's own, in whatever order a server tells.
func TestLookupOfAnAliasThatComesLast(t *testing.T) {
	connection, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: connection, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, question *dns.Msg) {
		reply := new(dns.Msg).SetReply(question)
		reply.Authoritative = true
		for _, text := range []string{"lb.example.test. 60 IN CNAME node.example.test.", "alias.example.test. 60 IN CNAME lb.example.test."} {
			record, err := dns.NewRR(text)
			if err != nil {
				t.Error(err)
			}
			reply.Answer = append(reply.Answer, record)
		}
		if err := w.WriteMsg(reply); err != nil {
			t.Error(err)
		}
	})}
	ended := make(chan error, 1)
	go func() { ended <- server.ActivateAndServe() }()
	got, err := Server{Address: connection.LocalAddr().String()}.Lookup(t.Context(), "Alias.example.test")
	if err != nil || got.Alias != "lb.example.test" {
		t.Errorf("got %v and error %v, want alias lb.example.test", got, err)
	}
	if err := server.Shutdown(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
