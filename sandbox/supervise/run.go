package supervise

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	firstBackoff = 250 * time.Millisecond
	lastBackoff  = 10 * time.Second
	// A service that ran this long gets the first backoff again.
	steady = time.Minute
)

// Run is the whole life of PID 1. It returns only when the machine could not
// be built or ctx ended; then the process must exit.
func Run(ctx context.Context, s Spec) error {
	if os.Getpid() != 1 {
		return fmt.Errorf("this command is the first process of a machine, not one to call by hand")
	}
	if err := unix.Sethostname([]byte(s.Hostname)); err != nil {
		return fmt.Errorf("setting the hostname: %w", err)
	}
	if err := enterRoot(s); err != nil {
		return err
	}
	if err := pinSettings(s.Pinned); err != nil {
		return err
	}
	if err := setSysctls(s.Sysctls); err != nil {
		return err
	}
	if err := os.MkdirAll(s.Logs, 0o755); err != nil {
		return err
	}
	children := newChildren()
	go children.reap()
	for _, service := range s.Services {
		go keep(ctx, s, service, children)
	}
	<-ctx.Done()
	return ctx.Err()
}

// keep runs one service and starts it again whenever it ends.
func keep(ctx context.Context, s Spec, service Service, children *children) {
	backoff := firstBackoff
	for ctx.Err() == nil {
		started := time.Now()
		ended, err := children.start(s, service)
		if err != nil {
			slog.Error("service did not start", "service", service.Name, "error", err)
		} else {
			slog.Warn("service ended", "service", service.Name, "status", <-ended)
		}
		if time.Since(started) > steady {
			backoff = firstBackoff
		}
		select {
		case <-ctx.Done():
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, lastBackoff)
	}
}

// children knows which process is a service. As PID 1 it collects every
// process of the machine, so os/exec, which waits for its own, cannot be used.
type children struct {
	mu    sync.Mutex
	ended map[int]chan<- int
}

func newChildren() *children { return &children{ended: map[int]chan<- int{}} }

// start returns a channel that gets the exit status, or 128 plus the signal's number.
func (c *children) start(s Spec, service Service) (<-chan int, error) {
	log, err := os.OpenFile(filepath.Join(s.Logs, service.Name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	// The lock keeps reap from collecting the process before it is known.
	c.mu.Lock()
	defer c.mu.Unlock()
	process, err := os.StartProcess(service.Command[0], service.Command, &os.ProcAttr{
		Dir:   "/",
		Env:   append(os.Environ(), s.Environment...),
		Files: []*os.File{nil, log, log},
	})
	if err != nil {
		return nil, err
	}
	ended := make(chan int, 1)
	c.ended[process.Pid] = ended
	return ended, process.Release()
}

// reap collects processes as they end.
func (c *children) reap() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGCHLD)
	for {
		for c.collect() {
		}
		<-signals
	}
}

// collect takes one ended process, if there is one.
func (c *children) collect() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	var status unix.WaitStatus
	pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
	if err != nil || pid <= 0 {
		return err == unix.EINTR
	}
	if ended, ok := c.ended[pid]; ok {
		delete(c.ended, pid)
		code := status.ExitStatus()
		if status.Signaled() {
			code = 128 + int(status.Signal())
		}
		ended <- code
	}
	return true
}
