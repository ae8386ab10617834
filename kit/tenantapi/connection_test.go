package tenantapi

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func newTestConnection(changed func()) *connection {
	return &connection{
		clusters: &Clusters{OnChange: func(client.ObjectKey) { changed() }}, down: connecting,
		oversized: map[string]struct{}{}, unserved: map[string]time.Time{},
	}
}

// Caches that never fill are not filled by waiting: the kind is named at once
// when its time is up.
func TestAKindThatIsNotServedIsNewsBeforeCachesAreFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var changed atomic.Int32
		c := newTestConnection(func() { changed.Add(1) })
		reason := func() string {
			_, err := c.current()
			var down *NotConnectedError
			if !errors.As(err, &down) {
				t.Fatal(err)
			}
			return down.Reason + ": " + down.Message
		}
		c.serves("Deployment", false)
		c.serves("Node", false)
		c.serves("Node", true)
		time.Sleep(unservedAfter - time.Second)
		if got := reason(); !strings.HasPrefix(got, ReasonConnecting) || changed.Load() != 0 {
			t.Errorf("before its time: %s, told %d times", got, changed.Load())
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := reason(); !strings.HasPrefix(got, ReasonNotServed) || !strings.Contains(got, "kind Deployment;") || changed.Load() != 1 {
			t.Errorf("%s, told %d times", got, changed.Load())
		}
		c.resetKinds()
		if got := reason(); !strings.HasPrefix(got, ReasonConnecting) {
			t.Errorf("once the connection is lost: %s", got)
		}
	})
}

func TestALostConnectionHandsOutNoTenant(t *testing.T) {
	told := false
	c := newTestConnection(func() { told = true })
	ctx, lose := context.WithCancel(t.Context())
	lose()
	// The caches were full just before.
	c.setState(ctx, NewTenant(nil, nil), nil)
	if tenant, err := c.current(); err == nil || tenant != nil || told {
		t.Errorf("tenant %v, error %v, told %t", tenant, err, told)
	}
}

// A sleeping or dead tenant is not asked four times a second for ever.
func TestASilentAPIIsAskedEverLessOften(t *testing.T) {
	for name, dial := range map[string]func() error{
		"refuses":      func() error { return errors.New("refused") },
		"says nothing": func() error { time.Sleep(probeTimeout); return errors.New("timed out") },
	} {
		synctest.Test(t, func(t *testing.T) {
			c := newTestConnection(func() {})
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			began := time.Now()
			var all, late atomic.Int32
			c.config = limited(&rest.Config{Host: "http://tenant.test", Dial: func(context.Context, string, string) (net.Conn, error) {
				all.Add(1)
				if time.Since(began) > 50*time.Minute {
					late.Add(1)
				}
				return nil, dial()
			}})
			var err error
			if c.httpClient, err = rest.HTTPClientFor(c.config); err != nil {
				t.Fatal(err)
			}
			if c.prober, err = newProber(c.config, c.httpClient); err != nil {
				t.Fatal(err)
			}
			if err := c.awaitAPI(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("%v, want that it waits", err)
			}
			time.Sleep(probeTimeout) // until the last dial has ended
			if n := all.Load(); n < 200 || n > 600 {
				t.Errorf("%s: asked %d times in an hour", name, n)
			}
			if n := late.Load(); n < 30 || n > 45 {
				t.Errorf("%s: asked %d times in the last ten minutes", name, n)
			}
			if _, err := c.current(); !errors.Is(err, ErrNotConnected) || !strings.Contains(err.Error(), "does not answer") {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}
