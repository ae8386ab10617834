package e2e

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// testNames: the tenant's names resolve at the authoritative server.
func testNames(t *testing.T, te *tenant) {
	for _, name := range te.dnsNames() {
		addresses, err := resolve(t.Context(), name)
		if err != nil || len(addresses) == 0 {
			t.Errorf("%s does not resolve: %v, %v", name, addresses, err)
		}
	}
}

// awaitNoNames waits until the authoritative server has forgotten the tenant's
// names. DNS cannot be watched.
func awaitNoNames(t *testing.T, te *tenant) {
	t.Helper()
	for _, name := range te.dnsNames() {
		err := wait.PollUntilContextTimeout(t.Context(), time.Second, story, true, func(ctx context.Context) (bool, error) {
			_, err := resolve(ctx, name)
			var notFound *net.DNSError
			return errors.As(err, &notFound) && notFound.IsNotFound, nil
		})
		if err != nil {
			t.Errorf("%s still resolves: %v", name, err)
		}
	}
}

// dnsNames are the API's name and one below the wildcard for applications.
func (te *tenant) dnsNames() []string {
	apex := te.Name + "." + te.Namespace + "." + env.baseDomain + "."
	return []string{"api." + apex, "anything.apps." + apex}
}

// resolve asks the authoritative server.
func resolve(ctx context.Context, name string) ([]string, error) {
	resolver := &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, network, env.dnsServer)
		},
	}
	return resolver.LookupHost(ctx, name)
}

// The tenant's names resolve while it lives. TestDelete shows that they go with it.
func TestDNS(t *testing.T) {
	te := alpha.get(t)
	testNames(t, te)
}
