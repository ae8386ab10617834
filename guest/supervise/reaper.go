// Package supervise starts processes as PID 1 has to: it reaps every child of the system, keeps services running, and
// writes their output to bounded log files.
package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"
)

// Reaper waits for every child of this process, those that it was given as orphans too. There must be only one, and
// nothing else in the process may wait for children: os/exec cannot be used beside it.
type Reaper struct {
	mu       sync.Mutex
	children map[int]chan unix.WaitStatus
}

// NewReaper starts reaping, until ctx ends.
func NewReaper(ctx context.Context) *Reaper {
	r := &Reaper{children: map[int]chan unix.WaitStatus{}}
	died := make(chan os.Signal, 1)
	signal.Notify(died, unix.SIGCHLD)
	go func() {
		defer signal.Stop(died)
		for {
			select {
			case <-ctx.Done():
				return
			case <-died:
				r.reap()
			}
		}
	}()
	return r
}

// reap collects every child that has ended; one signal may stand for several.
func (r *Reaper) reap() {
	for {
		r.mu.Lock()
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		if err == nil && pid > 0 {
			if done, ours := r.children[pid]; ours {
				done <- status
				delete(r.children, pid)
			}
		}
		r.mu.Unlock()
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
	}
}

// Start starts a process; the channel gives its status when it has ended. The process leads a session of its own. cgroup
// is an open cgroup directory to start it in, or nil.
func (r *Reaper) Start(argv, env []string, output, cgroup *os.File) (pid int, done <-chan unix.WaitStatus, err error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, nil, err
	}
	defer null.Close()

	attr := &os.ProcAttr{Env: env, Dir: "/", Files: []*os.File{null, output, output}, Sys: &unix.SysProcAttr{Setsid: true}}
	if cgroup != nil {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, int(cgroup.Fd())
	}
	// Under the lock, so that the child cannot be reaped before it is known.
	r.mu.Lock()
	defer r.mu.Unlock()
	process, err := os.StartProcess(argv[0], argv, attr)
	if err != nil {
		return 0, nil, fmt.Errorf("start %s: %w", argv[0], err)
	}
	pid = process.Pid
	ended := make(chan unix.WaitStatus, 1)
	r.children[pid] = ended
	return pid, ended, process.Release()
}

// Run runs a command to its end. Its output is the error's text when it fails.
func (r *Reaper) Run(ctx context.Context, argv ...string) error {
	output, err := os.CreateTemp("/run", "output-")
	if err != nil {
		return err
	}
	defer output.Close()
	defer os.Remove(output.Name())

	pid, done, err := r.Start(argv, environment(nil), output, nil)
	if err != nil {
		return err
	}
	var status unix.WaitStatus
	select {
	case status = <-done:
	case <-ctx.Done():
		_ = unix.Kill(pid, unix.SIGKILL)
		status = <-done
	}
	if status.Exited() && status.ExitStatus() == 0 {
		return nil
	}
	text, _ := os.ReadFile(output.Name())
	return errors.Join(ctx.Err(), fmt.Errorf("%s: %s: %s", argv[0], describe(status), text))
}

func describe(status unix.WaitStatus) string {
	if status.Signaled() {
		return "killed by " + unix.SignalName(status.Signal())
	}
	return fmt.Sprintf("exit status %d", status.ExitStatus())
}

func environment(extra []string) []string {
	return append([]string{
		"PATH=/opt/cni/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root",
		"LANG=C.UTF-8",
	}, extra...)
}
