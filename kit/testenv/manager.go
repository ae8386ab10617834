package testenv

import (
	"context"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"slipway.dev/kit/operator"
)

// Manager makes one as an operator's main function does, but for leader election
// and for what it would serve. Making one sets the loggers of all: a test that
// needs several makes them before one runs.
func Manager(t testing.TB, config *rest.Config, scheme *runtime.Scheme, options cache.Options, newCache cache.NewCacheFunc) manager.Manager {
	t.Helper()
	flags := operator.Options{MetricsAddress: "0", HealthAddress: "0", NewCache: newCache}
	m, err := flags.NewManager(config, "test", scheme, options)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Run runs a manager until the test ends, and waits for its end.
func Run(t testing.TB, m manager.Manager) {
	t.Helper()
	// Not the test's, which ends before other functions that clean up.
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("manager: %v", err)
		}
	})
}
