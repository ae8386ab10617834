package tenantapi

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// callTimeout bounds everything that one Do does.
	callTimeout = 5 * time.Second
	// callsInFlight is how many Do of one tenant run at a time, so that one that
	// is slow holds no more than so many workers of a controller.
	callsInFlight = 2
	// slow is when a call counts as failed even if it succeeds: an API that answers
	// just in time holds a worker as long as one that does not answer.
	slow = time.Second
	// retryDelay is when a caller that got no slot of the semaphore tries again.
	retryDelay = time.Second
)

// BusyError says that a tenant is asked enough already, or was slow or failed
// and is left alone for a while: it is no fault of the caller's, who tries again
// after RetryAfter.
type BusyError struct {
	RetryAfter time.Duration
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("the tenant's API is left alone for %s", e.RetryAfter.Round(time.Second))
}

// RetryAfter is when to try again what failed with a BusyError; ok is false for
// any other error.
func RetryAfter(err error) (after time.Duration, ok bool) {
	var busy *BusyError
	if errors.As(err, &busy) {
		return busy.RetryAfter, true
	}
	return 0, false
}

// Tenant is a cluster that answers.
type Tenant struct {
	client.Reader // from caches: it answers at once
	live          client.Client
	semaphore     chan struct{}

	mu sync.Mutex
	// retryAt is when a tenant that failed or was slow is asked again.
	retryAt time.Time
	backoff wait.Backoff
}

// NewTenant makes a Tenant that is read through reader and asked through live.
func NewTenant(reader client.Reader, live client.Client) *Tenant {
	return &Tenant{Reader: reader, live: live, semaphore: make(chan struct{}, callsInFlight), backoff: retryBackoff()}
}

// retryBackoff is how long a tenant is left alone that fails or is slow again and again.
func retryBackoff() wait.Backoff {
	return wait.Backoff{Duration: time.Second, Factor: 2, Jitter: 0.1, Steps: 100, Cap: time.Minute}
}

// Do asks the tenant's API server itself, to read what is not cached and to
// write. The whole call has five seconds. When too many calls are under way, Do
// returns a BusyError at once, so that a worker that serves many tenants can go on
// with another.
func (t *Tenant) Do(ctx context.Context, call func(ctx context.Context, c client.Client) error) error {
	if left := t.backoffLeft(); left > 0 {
		return &BusyError{RetryAfter: left}
	}
	select {
	case t.semaphore <- struct{}{}:
		defer func() { <-t.semaphore }()
	default:
		return &BusyError{RetryAfter: retryDelay}
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	began := time.Now()
	err := call(ctx, t.live)
	t.record(unavailable(err) || time.Since(began) > slow)
	return err
}

func (t *Tenant) backoffLeft() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Until(t.retryAt)
}

func (t *Tenant) record(failed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !failed {
		t.backoff, t.retryAt = retryBackoff(), time.Time{}
		return
	}
	t.retryAt = time.Now().Add(t.backoff.Step())
}

// unavailable reports whether an error means that the server, or a webhook behind
// it, does not work; a decision that the server has made does not.
func unavailable(err error) bool {
	if err == nil {
		return false
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return true // no answer at all
	}
	code := status.Status().Code
	return code >= 500 || code == 0
}
