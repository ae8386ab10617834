// Package operator holds what the main functions of all operators share:
// flags, logging and the manager.
package operator

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// Options are the flags that every operator has.
type Options struct {
	MetricsAddress string
	HealthAddress  string
	LeaderElection bool
	LogLevel       slog.Level

	// NewCache makes the manager's cache; controller-runtime's own when nil. It is no flag.
	NewCache cache.NewCacheFunc
}

// Bind adds the options to a flag set, with their defaults.
func (o *Options) Bind(flags *flag.FlagSet) {
	flags.StringVar(&o.MetricsAddress, "metrics-address", ":8080", "address of the metrics endpoint; 0 turns it off")
	flags.StringVar(&o.HealthAddress, "health-address", ":8081", "address of /healthz and /readyz")
	flags.BoolVar(&o.LeaderElection, "leader-election", true, "let one replica at a time do the work")
	flags.TextVar(&o.LogLevel, "log-level", slog.LevelInfo, "least level that is logged: DEBUG, INFO, WARN or ERROR")
}

// setLogger is done once in a process: what is left of an earlier manager may be
// reading klog's logger.
var setLogger sync.Once

// logJSON makes client-go and controller-runtime log JSON lines to standard error.
func (o *Options) logJSON() {
	setLogger.Do(func() {
		logger := logr.FromSlogHandler(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: o.LogLevel}))
		ctrl.SetLogger(logger)
		klog.SetLogger(logger)
	})
}

// reconciliationTimeout ends a reconcile that hangs, which would keep its worker
// from all other objects. It is many times what the longest one takes.
const reconciliationTimeout = 30 * time.Second

// NewManager makes a manager with health checks, whose controllers end a
// reconcile after 30 seconds unless they set another ReconciliationTimeout. name
// identifies the leader-election lease.
func (o *Options) NewManager(config *rest.Config, name string, scheme *runtime.Scheme, cacheOptions cache.Options) (ctrl.Manager, error) {
	o.logJSON()
	// One client for all reconcilers: the default of 20 queries a second
	// would be the bottleneck when a tenant's objects are made at once.
	config.QPS, config.Burst = 100, 200
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                        scheme,
		NewCache:                      o.NewCache,
		Cache:                         cacheOptions,
		Controller:                    ctrlconfig.Controller{ReconciliationTimeout: reconciliationTimeout},
		Metrics:                       server.Options{BindAddress: o.MetricsAddress},
		HealthProbeBindAddress:        o.HealthAddress,
		LeaderElection:                o.LeaderElection,
		LeaderElectionID:              name + ".slipway.dev",
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return nil, fmt.Errorf("make manager: %w", err)
	}
	if err := manager.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, fmt.Errorf("add health check: %w", err)
	}
	if err := manager.AddReadyzCheck("ping", healthz.Ping); err != nil {
		return nil, fmt.Errorf("add readiness check: %w", err)
	}
	return manager, nil
}
