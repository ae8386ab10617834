package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// A pod's processes are stopped, each once, whatever hierarchies list them, and
// those of other pods are not.
func TestSignalReachesAPod(t *testing.T) {
	ours, others := start(t), start(t)
	root := t.TempDir()
	for path, pids := range map[string]string{
		"kubepods/burstable/podabc/one/cgroup.procs": fmt.Sprintf("0\n%d\n", ours),
		"memory/kubepods/podabc/one/cgroup.procs":    fmt.Sprintf("%d\n", ours),
		"kubepods/burstable/podabd/one/cgroup.procs": fmt.Sprintf("%d\n", others),
	} {
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, path), []byte(pids), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := signalProcesses(t.Context(), []string{"env"}, root, "abc", "STOP"); err != nil {
		t.Fatal(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(ours, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Errorf("process has status %v, want stopped; %v", status, err)
	}
	if changed, err := syscall.Wait4(others, &status, syscall.WUNTRACED|syscall.WNOHANG, nil); err != nil || changed != 0 {
		t.Errorf("another pod's process has status %v; %v", status, err)
	}
	if err := signalProcesses(t.Context(), []string{"env"}, root, "absent", "STOP"); err == nil {
		t.Error("a pod without processes was signalled")
	}
}

// start makes a process that waits for ever.
func start(t *testing.T) int {
	t.Helper()
	command := exec.Command("cat")
	if _, err := command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	return command.Process.Pid
}
