package tenantapi

import (
	"context"
	"errors"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

func TestCachesOfALostConnectionAreNotHandedOut(t *testing.T) {
	woken := 0
	conn := &connection{clusters: &Clusters{OnChange: func(client.ObjectKey) { woken++ }}, down: connecting}
	serving, lost := context.WithCancel(t.Context())
	lost()
	conn.become(t.Context(), nil, unreachable(errors.New("reset")))
	// Its caches were full just before.
	conn.become(serving, NewTenant(nil, nil), nil)
	tenant, err := conn.current()
	if tenant != nil || !errors.Is(err, ErrNotConnected) {
		t.Errorf("got %v, %v, want ErrNotConnected", tenant, err)
	}
	if woken != 1 {
		t.Errorf("woken %d times, want once, for the loss", woken)
	}
}
