package tenantapi

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
)

// notReadyError is the answer of a server that runs and is not ready.
type notReadyError struct{ status int }

func (e *notReadyError) Error() string {
	return fmt.Sprintf("/readyz answers with status %d", e.status)
}

// probe asks an API server whether it is ready.
func probe(ctx context.Context, config *rest.Config) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	config = rest.CopyConfig(config)
	config.QPS = -1 // its caller sets the pace
	asker, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	var status int
	result := asker.RESTClient().Get().AbsPath("/readyz").MaxRetries(0).Do(ctx).StatusCode(&status)
	if err := result.Error(); err != nil {
		if status != 0 {
			return &notReadyError{status: status}
		}
		return err
	}
	return nil
}

// AwaitReadyz asks every interval, each time for at most three seconds, until
// the API server says that it is ready. When ctx ends before, the error holds
// the last answer. No watch can tell when a server of another cluster begins to answer.
func AwaitReadyz(ctx context.Context, config *rest.Config, interval time.Duration) error {
	var last error
	err := wait.PollUntilContextCancel(ctx, interval, true, func(ctx context.Context) (bool, error) {
		last = probe(ctx, config)
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("wait for %s: %w", config.Host, errors.Join(err, last))
	}
	return nil
}
