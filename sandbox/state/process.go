package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a process on the host. The start time tells it from a later
// process with the same number.
type Process struct {
	Name string `json:"name"`
	PID  int    `json:"pid"`
	// Started is in clock ticks since the machine's boot.
	Started uint64 `json:"started"`
}

// Observe records a process that is known to run.
func Observe(name string, pid int) (Process, error) {
	started, err := startTime(pid)
	return Process{Name: name, PID: pid, Started: started}, err
}

// Alive tells whether the process still runs.
func (p Process) Alive() bool {
	started, err := startTime(p.PID)
	return err == nil && started == p.Started
}

// Kill ends the process and waits until it is gone. One that has ended already is no error.
func (p Process) Kill(ctx context.Context) error {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening process %d: %w", p.PID, err)
	}
	defer unix.Close(fd)
	// The descriptor holds the number, so the check cannot be outrun.
	if !p.Alive() {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("ending %s (process %d): %w", p.Name, p.PID, err)
	}
	for {
		ready, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(100*time.Millisecond/time.Millisecond))
		if err == nil && ready > 0 {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("waiting for the end of %s (process %d): %w", p.Name, p.PID, ctx.Err())
		}
	}
}

// startTime reads field 22 of /proc/<pid>/stat. The second field, the
// program's name, may hold spaces and brackets: fields count from its end. A
// process that only waits to be collected by its parent counts as ended.
func startTime(pid int) (uint64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
	if len(fields) < 20 {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	if state := fields[0][0]; state == 'Z' || state == 'X' {
		return 0, os.ErrProcessDone
	}
	return strconv.ParseUint(string(fields[19]), 10, 64)
}
