package agent

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// Objects that change all the time cost a pass a second, and one that changes now
// and then is acted on at once.
func TestPassesArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		a := &Agent{drift: make(chan struct{}, 1)}
		passes := 0
		served, ended := make(chan error, 1), make(chan error, 1)
		go func() { ended <- a.repeat(ctx, served, func() { passes++ }) }()
		synctest.Wait()
		for range 6000 {
			a.objects.fire()
			time.Sleep(10 * time.Millisecond)
		}
		synctest.Wait()
		if passes < 60 || passes > 60+burst+1 {
			t.Errorf("%d passes in a minute in which objects changed every 10 ms", passes)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		before := passes
		a.objects.fire()
		if synctest.Wait(); passes != before+1 {
			t.Errorf("%d passes at once after one change", passes-before)
		}
		cancel()
		served <- nil
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
