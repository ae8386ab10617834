package tenantapi

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var (
	hang   = func(ctx context.Context, _ client.Client) error { <-ctx.Done(); return ctx.Err() }
	answer = func(context.Context, client.Client) error { return nil }
)

func TestDoEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := NewTenant(nil, nil).Do(t.Context(), hang)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != callTimeout {
			t.Errorf("%v after %s, want that the deadline passed after %s", err, time.Since(began), callTimeout)
		}
	})
}

func TestDoHoldsFewWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := NewTenant(nil, nil)
		for range callsInFlight {
			go func() { _ = tenant.Do(t.Context(), hang) }()
		}
		synctest.Wait()
		began := time.Now()
		err := tenant.Do(t.Context(), answer)
		if after, busy := RetryAfter(err); !busy || after != retryDelay {
			t.Errorf("%v, want to be told to come again after %s", err, retryDelay)
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("the caller waited %s for its turn", waited)
		}
	})
}

func TestDoLeavesASlowTenantAlone(t *testing.T) {
	for name, call := range map[string]func(context.Context, client.Client) error{
		"hangs":                hang,
		"answers just in time": func(context.Context, client.Client) error { time.Sleep(callTimeout - time.Second/2); return nil },
		"answers late":         func(context.Context, client.Client) error { time.Sleep(slow + time.Millisecond); return nil },
	} {
		synctest.Test(t, func(t *testing.T) {
			tenant := NewTenant(nil, nil)
			held := time.Duration(0)
			began := time.Now()
			for time.Since(began) < 10*time.Minute {
				asked := time.Now()
				err := tenant.Do(t.Context(), call)
				held += time.Since(asked)
				if after, busy := RetryAfter(err); busy {
					time.Sleep(after)
				}
			}
			if share := held.Seconds() / time.Since(began).Seconds(); share > 0.15 {
				t.Errorf("a tenant that %s holds a worker for %.0f %% of the time", name, 100*share)
			}
			// Once it answers it is as good as any.
			time.Sleep(2 * time.Minute)
			for range 3 {
				if err := tenant.Do(t.Context(), answer); err != nil {
					t.Fatalf("after it has recovered: %v", err)
				}
			}
		})
	}
}

func TestDecisionsAreNoTrouble(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"success":               {nil, false},
		"not found":             {apierrors.NewNotFound(pods, "p"), false},
		"conflict":              {apierrors.NewConflict(pods, "p", errors.New("changed")), false},
		"refused by a budget":   {apierrors.NewTooManyRequests("budget", 1), false},
		"forbidden":             {apierrors.NewForbidden(pods, "p", errors.New("no")), false},
		"a webhook that failed": {apierrors.NewInternalError(errors.New(`failed calling webhook "a.b"`)), true},
		"not available":         {apierrors.NewServiceUnavailable("down"), true},
		"deadline":              {context.DeadlineExceeded, true},
		"too long":              {errAnswerTooLong, true},
	} {
		if got := unavailable(test.err); got != test.want {
			t.Errorf("%s: trouble %t, want %t", name, got, test.want)
		}
	}
}
