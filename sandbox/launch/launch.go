// Package launch starts the sandbox's own background processes: the first
// process of each machine, and the forwarder.
package launch

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"slipway.dev/sandbox/machine"
	"slipway.dev/sandbox/netns"
	"slipway.dev/sandbox/state"
)

// Launched is a background process, which outlives its starter.
type Launched struct {
	state.Process
	// Ended is closed when the process ends before its starter.
	Ended <-chan struct{}
	// Log is the file with the process's own messages.
	Log string
}

// Machine starts a machine, whose root folder has its files, from the spec
// stored in specPath. The subcommand of this program that becomes the
// machine's first process gets "--spec" and "--cgroup".
func Machine(m machine.Machine, specPath, log, subcommand string) (Launched, error) {
	if err := m.Spec.Write(specPath); err != nil {
		return Launched{}, err
	}
	cmd := command(subcommand, "--spec", specPath, "--cgroup", m.Cgroup)
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}
	var launched Launched
	err := netns.Do(m.Namespace, func() (err error) {
		launched, err = start(cmd, m.Spec.Hostname, log)
		return err
	})
	return launched, err
}

// Background starts a subcommand of this program in the host's own
// namespaces. Extra files are descriptors 3 and up in the new process.
func Background(name, log string, extra []*os.File, args ...string) (Launched, error) {
	cmd := command(args...)
	cmd.ExtraFiles = extra
	return start(cmd, name, log)
}

func command(args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Dir = "/"
	// A session of its own: a signal from the terminal ends only the starter.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

func start(cmd *exec.Cmd, name, log string) (Launched, error) {
	if err := os.MkdirAll(filepath.Dir(log), 0o755); err != nil {
		return Launched{}, err
	}
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return Launched{}, err
	}
	defer file.Close()
	cmd.Stdout, cmd.Stderr = file, file
	if err := cmd.Start(); err != nil {
		return Launched{}, fmt.Errorf("starting %s: %w", name, err)
	}
	process, err := state.Observe(name, cmd.Process.Pid)
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return Launched{}, fmt.Errorf("starting %s: %w", name, err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(ended)
	}()
	return Launched{Process: process, Ended: ended, Log: log}, nil
}
