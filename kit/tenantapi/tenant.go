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
	// slow is how long a call takes that is trouble even if it succeeds: whoever
	// answers just in time holds a worker as long as who does not answer.
	slow = time.Second
	// turn is how soon a caller that found no free place comes again.
	turn = time.Second
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
	places        chan struct{}

	mu sync.Mutex
	// quietUntil is when a tenant that was slow is asked again.
	quietUntil time.Time
	backoff    wait.Backoff
}

// NewTenant makes a Tenant that is read through reader and asked through live.
func NewTenant(reader client.Reader, live client.Client) *Tenant {
	return &Tenant{Reader: reader, live: live, places: make(chan struct{}, callsInFlight), backoff: slowness()}
}

// slowness is how long a tenant is left alone that was slow again and again.
func slowness() wait.Backoff {
	return wait.Backoff{Duration: time.Second, Factor: 2, Jitter: 0.1, Steps: 100, Cap: time.Minute}
}

// Do asks the tenant's API server itself, to read what is not cached and to
// write. All that call does has five seconds together. Do does not wait for its
// turn: it returns a BusyError instead, so that a worker that serves many tenants
// can go on with another.
func (t *Tenant) Do(ctx context.Context, call func(ctx context.Context, c client.Client) error) error {
	if left := t.quiet(); left > 0 {
		return &BusyError{RetryAfter: left}
	}
	select {
	case t.places <- struct{}{}:
		defer func() { <-t.places }()
	default:
		return &BusyError{RetryAfter: turn}
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	began := time.Now()
	err := call(ctx, t.live)
	t.learn(troubled(err) || time.Since(began) > slow)
	return err
}

func (t *Tenant) quiet() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Until(t.quietUntil)
}

func (t *Tenant) learn(trouble bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !trouble {
		t.backoff, t.quietUntil = slowness(), time.Time{}
		return
	}
	t.quietUntil = time.Now().Add(t.backoff.Step())
}

// troubled is true of errors that tell of a server, or of a webhook behind it,
// that does not work, and false of a decision that it has made.
func troubled(err error) bool {
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
