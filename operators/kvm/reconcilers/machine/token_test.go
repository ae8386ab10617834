package machine_test

import (
	"context"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// testTokenIsWrittenOnce: a tenant is not asked for what it has.
func (s *suite) testTokenIsWrittenOnce(t *testing.T) {
	writes := 0
	connect := func(m *subject) {
		m.tenants.set(s, interceptor.Funcs{
			Apply: func(ctx context.Context, c client.WithWatch, object runtime.ApplyConfiguration, options ...client.ApplyOption) error {
				writes++
				return c.Apply(ctx, object, options...)
			},
		})
	}
	m := s.booted(t, "token", connect)
	wrote := func(what string, want int) {
		t.Helper()
		for range 3 {
			m.reconcile(t)
		}
		if writes != want {
			t.Errorf("%s: the token was written %d times, want %d", what, writes, want)
		}
	}
	wrote("waits for its Node", 1)
	connect(m)
	wrote("the tenant was away", 2)
	s.clock.SetTime(s.clock.Now().Add(joinTimeout + time.Minute))
	wrote("the guest is started anew", 3)
	s.clock.SetTime(s.clock.Now().Add(20 * time.Minute))
	wrote("half of its lifetime is over", 4)
}
