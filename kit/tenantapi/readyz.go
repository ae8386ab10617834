package tenantapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
)

// notReadyError is the answer of a server that runs and is not ready.
type notReadyError struct{ status int }

func (e *notReadyError) Error() string {
	return fmt.Sprintf("/readyz answers with status %d", e.status)
}

// prober asks an API server whether it is ready, over the same connection each
// time: client-go keeps one for each client that it makes of a config with a dialer.
type prober struct {
	host       string
	httpClient *http.Client
	asker      rest.Interface
}

func newProber(config *rest.Config, httpClient *http.Client) (*prober, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1 // its caller sets the pace
	asker, err := discovery.NewDiscoveryClientForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	return &prober{host: config.Host, httpClient: httpClient, asker: asker.RESTClient()}, nil
}

// probe asks once.
func (p *prober) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	var status int
	err := p.asker.Get().AbsPath("/readyz").MaxRetries(0).Do(ctx).StatusCode(&status).Error()
	switch {
	case err == nil:
		return nil
	case status != 0:
		return &notReadyError{status: status}
	}
	// The connection may be what does not work.
	utilnet.CloseIdleConnectionsFor(p.httpClient.Transport)
	return err
}

// await probes every interval until the API server says that it is ready.
func (p *prober) await(ctx context.Context, interval time.Duration) error {
	var last error
	err := wait.PollUntilContextCancel(ctx, interval, true, func(ctx context.Context) (bool, error) {
		last = p.probe(ctx)
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("wait for %s: %w", p.host, errors.Join(err, last))
	}
	return nil
}

// AwaitReadyz asks every interval, each time for at most three seconds, until
// the API server says that it is ready. When ctx ends before, the error holds
// the last answer. There is no watch for when a server of another cluster begins to answer.
func AwaitReadyz(ctx context.Context, config *rest.Config, interval time.Duration) error {
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return fmt.Errorf("make HTTP client: %w", err)
	}
	p, err := newProber(config, httpClient)
	if err != nil {
		return err
	}
	return p.await(ctx, interval)
}
