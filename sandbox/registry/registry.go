// Package registry reaches a sandbox's registry from the host.
package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"slipway.dev/sandbox/build"
	"slipway.dev/sandbox/credentials"
	"slipway.dev/sandbox/forward"
	"slipway.dev/sandbox/layout"
)

// firstPause and longestPause bound the time between two questions to a registry that is starting.
const (
	firstPause   = 10 * time.Millisecond
	longestPause = 200 * time.Millisecond
)

// Connect describes the sandbox's registry to those who push. Requests are
// made in the hub's network namespace, under the name that nodes use.
func Connect(p layout.Layout, set credentials.Set) build.Registry {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(set.CACertificate)
	dial := forward.Dialer(p.HubNamespace())
	address := netip.AddrPortFrom(layout.HubAddress, layout.RegistryPort).String()
	return build.Registry{
		Host:     fmt.Sprintf("%s:%d", layout.RegistryHost, layout.RegistryPort),
		Username: credentials.Username,
		Password: set.Password,
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return dial(ctx, network, address)
			},
			TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13},
			MaxIdleConnsPerHost: 8,
			IdleConnTimeout:     time.Minute,
		},
	}
}

// Wait returns when the registry accepts our credentials.
func Wait(ctx context.Context, r build.Registry) error {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := ask(ctx, r)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the registry: %w; its last answer: %w", context.Cause(ctx), err)
		case <-time.After(pause):
		}
	}
}

func ask(ctx context.Context, r build.Registry) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+r.Host+"/v2/", nil)
	if err != nil {
		return err
	}
	request.SetBasicAuth(r.Username, r.Password)
	response, err := r.Transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s", response.Status)
	}
	return nil
}
