package authority

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"slipway.dev/operators/dns/bindtest"
)

func TestLookup(t *testing.T) {
	bind := bindtest.Start(t)
	server := Server{Address: bind.Address}
	bind.Set(t, "api.example.test", "60 IN A 192.0.2.1", "60 IN A 192.0.2.2", "60 IN AAAA 2001:db8::1")
	bind.Set(t, "*.apps.example.test", "60 IN A 192.0.2.9")
	var many, manyWant []string
	for i := range 90 { // more than fits a UDP packet of 512 bytes; BIND allows 100
		address := fmt.Sprintf("198.51.100.%d", i)
		many, manyWant = append(many, "60 IN A "+address), append(manyWant, address)
	}
	bind.Set(t, "many.example.test", many...)
	tests := map[string]struct {
		name string
		want []string
		err  string
	}{
		"both families":    {name: "api.example.test", want: []string{"192.0.2.1", "192.0.2.2", "2001:db8::1"}},
		"below a wildcard": {name: "shop.apps.example.test", want: []string{"192.0.2.9"}},
		"no such name":     {name: "none.example.test"},
		"no such type":     {name: "example.test"},
		"truncated":        {name: "many.example.test", want: manyWant},
		"another's zone":   {name: "example.com", err: "server " + bind.Address + " answers REFUSED"},
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
			slices.SortFunc(got, netip.Addr.Compare)
			slices.SortFunc(want, netip.Addr.Compare)
			if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
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
