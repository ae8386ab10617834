package agent

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// resubscribe is how soon the kernel's events are asked for again; every minute
// it starts from the beginning.
var resubscribe = wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Jitter: 0.1, Steps: 10, Cap: 30 * time.Second}

// watchKernel signals drift, at most once in the time that things take to
// settle. Lost events count as drift.
func (a *Agent) watchKernel(ctx context.Context) {
	events := make(chan struct{}, 1)
	go keepWatching(ctx, a.Host.Watch, func() { signalOnce(events) })
	pause := time.NewTicker(settle)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-events:
		}
		signalOnce(a.drift)
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
	}
}

// keepWatching watches until ctx ends. That events were lost is an event, too.
func keepWatching(ctx context.Context, watch func(done <-chan struct{}, notify func()) error, notify func()) {
	delay := resubscribe.DelayWithReset(clock.RealClock{}, time.Minute)
	// The only error is that ctx has ended.
	_ = delay.Until(ctx, true, true, func(ctx context.Context) (bool, error) {
		if err := watch(ctx.Done(), notify); err != nil {
			log.FromContext(ctx).Info("Network events were lost", "reason", err.Error())
			notify()
		}
		return false, nil
	})
}

// signalOnce does nothing when a signal is pending.
func signalOnce(signal chan<- struct{}) {
	select {
	case signal <- struct{}{}:
	default:
	}
}
