// Package supervise runs a machine of the sandbox: a process that is PID 1 of
// its own PID, mount, UTS and IPC namespaces. It builds the machine's file
// system, starts the services, restarts those that end and reaps orphans. When
// it is killed the kernel ends every process and drops every mount below it.
package supervise

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Spec describes one machine.
type Spec struct {
	// Hostname is the machine's name.
	Hostname string `json:"hostname"`
	// Root is the folder that becomes the machine's root file system. The
	// host's /usr appears in it read-only; everything else is the machine's own.
	Root string `json:"root"`
	// Binds are further folders and files of the host that the machine sees.
	Binds []Bind `json:"binds,omitempty"`
	// Pinned maps kernel-wide settings (paths below /proc/sys) to the value
	// that the machine is to read there. Programs in the machine read and write
	// a copy, so they cannot change the host's setting.
	Pinned map[string]string `json:"pinned,omitempty"`
	// Sysctls are set in the machine's network namespace (paths below /proc/sys).
	Sysctls map[string]string `json:"sysctls,omitempty"`
	// Environment holds NAME=value for all services.
	Environment []string `json:"environment,omitempty"`
	// Logs is the folder, inside the machine, for one log file per service.
	Logs string `json:"logs"`
	// Services are started in this order, none waiting for another.
	Services []Service `json:"services"`
}

// Bind makes a host path visible in the machine, read-only.
type Bind struct {
	Source string `json:"source"`
	Target string `json:"target"`
}

// Service is a program that runs as long as the machine.
type Service struct {
	Name string `json:"name"`
	// Command is the program's path inside the machine and its arguments.
	Command []string `json:"command"`
}

// Write stores the spec in a file that only root can read.
func (s Spec) Write(path string) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o600)
}

// ReadSpec reads what Write stored.
func ReadSpec(path string) (Spec, error) {
	var s Spec
	data, err := os.ReadFile(path)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("reading %s: %w", path, err)
	}
	return s, nil
}
