package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Service is a process that should run as long as the guest does.
type Service struct {
	Name  string
	Argv  []string
	Env   []string      // beside PATH, HOME and LANG
	Grace time.Duration // how long it may take to end after SIGTERM, before it is killed
}

// Supervisor keeps services running.
type Supervisor struct {
	Reaper *Reaper
	LogDir string
	Cgroup string // directory below which each service gets a cgroup of its own; empty: none
	Report func(format string, args ...any)
}

// A service that ends is started again after a delay, which doubles up to the maximum and starts anew after a service
// has run for the longest of them.
const (
	minDelay = 100 * time.Millisecond
	maxDelay = 10 * time.Second
)

// Run keeps a service running until ctx ends, then ends it and returns. It returns earlier only if it cannot write logs.
func (s *Supervisor) Run(ctx context.Context, service Service) error {
	log, err := OpenLog(filepath.Join(s.LogDir, service.Name+".log"))
	if err != nil {
		return fmt.Errorf("log of %s: %w", service.Name, err)
	}
	defer log.Close()
	cgroup, err := s.cgroup(service.Name)
	if err != nil {
		return err
	}
	if cgroup != nil {
		defer cgroup.Close()
	}
	for delay := minDelay; ; delay = min(2*delay, maxDelay) {
		started := time.Now()
		status, err := s.once(ctx, service, log.Writer(), cgroup)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(started) > maxDelay {
			delay = minDelay
		}
		if err != nil {
			status = err.Error()
		}
		s.Report("%s ended (%s), starts again in %s", service.Name, status, delay)
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *Supervisor) once(ctx context.Context, service Service, output, cgroup *os.File) (string, error) {
	pid, done, err := s.Reaper.Start(service.Argv, environment(service.Env), output, cgroup)
	if err != nil {
		return "", err
	}
	select {
	case status := <-done:
		return describe(status), nil
	case <-ctx.Done():
	}
	_ = unix.Kill(pid, unix.SIGTERM)
	select {
	case status := <-done:
		return describe(status), nil
	case <-time.After(service.Grace):
	}
	_ = unix.Kill(pid, unix.SIGKILL)
	return describe(<-done), nil
}

func (s *Supervisor) cgroup(name string) (*os.File, error) {
	if s.Cgroup == "" {
		return nil, nil
	}
	dir := filepath.Join(s.Cgroup, name)
	if err := os.MkdirAll(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("cgroup of %s: %w", name, err)
	}
	return os.Open(dir)
}
