package cluster

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// progress prints what is done and how long it took.
type progress struct {
	mu      sync.Mutex
	out     io.Writer
	started time.Time
}

func newProgress(out io.Writer) *progress { return &progress{out: out, started: time.Now()} }

// step runs f and prints a line when it has succeeded: the time since the
// beginning, the time that it took, and what it was.
func (p *progress) step(what string, f func() error) error {
	started := time.Now()
	if err := f(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.out == nil {
		return nil
	}
	_, err := fmt.Fprintf(p.out, "%6.1fs  (%5.1fs)  %s\n", time.Since(p.started).Seconds(), time.Since(started).Seconds(), what)
	return err
}
