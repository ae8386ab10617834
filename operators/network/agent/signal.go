package agent

import "sync"

// signal wakes everybody who waits for it.
type signal struct {
	mu      sync.Mutex
	channel chan struct{}
}

// wait returns a channel that is closed when the signal is next fired.
func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.channel == nil {
		s.channel = make(chan struct{})
	}
	return s.channel
}

func (s *signal) fire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.channel != nil {
		close(s.channel)
		s.channel = nil
	}
}
