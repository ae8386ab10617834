package agent

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A watch that fails at once does not keep the processor busy.
func TestFailingWatchBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		watched, lost := 0, 0
		keepWatching(ctx, func(<-chan struct{}, func()) error {
			watched++
			return errors.New("no memory for a socket")
		}, func() { lost++ })
		if watched < 10 || watched > 100 || lost != watched {
			t.Errorf("in 10 minutes watched %d times, and lost events %d times", watched, lost)
		}
	})
}
