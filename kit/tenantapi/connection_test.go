package tenantapi

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

func newTestConnection(changed func()) *connection {
	return &connection{
		clusters: &Clusters{OnChange: func(client.ObjectKey) { changed() }}, down: connecting,
		overfull: map[string]struct{}{}, unserved: map[string]time.Time{},
	}
}

// Caches that never fill are not filled by waiting: the kind is named at once
// when its time is up.
func TestAKindThatIsNotServedIsNewsBeforeCachesAreFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var news atomic.Int32
		c := newTestConnection(func() { news.Add(1) })
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
		if got := reason(); !strings.HasPrefix(got, ReasonConnecting) || news.Load() != 0 {
			t.Errorf("before its time: %s, told %d times", got, news.Load())
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := reason(); !strings.HasPrefix(got, ReasonNotServed) || !strings.Contains(got, "kind Deployment;") || news.Load() != 1 {
			t.Errorf("%s, told %d times", got, news.Load())
		}
		c.forgive()
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
	c.become(ctx, NewTenant(nil, nil), nil)
	if tenant, err := c.current(); err == nil || tenant != nil || told {
		t.Errorf("tenant %v, error %v, told %t", tenant, err, told)
	}
}
