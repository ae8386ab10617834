package cluster

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// mountsBelow lists the host's mounts in a folder.
func mountsBelow(folder string) ([]string, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var found []string
	for line := range strings.Lines(string(table)) {
		// The fifth field is the mount point.
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4]+"/", folder+"/") {
			found = append(found, "mount "+fields[4])
		}
	}
	return found, nil
}

// processesOf lists the sandbox's own background processes. Everything else that
// it runs is below them, and in its cgroups.
func processesOf(o Options) ([]string, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var found []string
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // it may have ended meanwhile
		if isOurs(line, o.Name) {
			found = append(found, fmt.Sprintf("process %d: %s", pid, bytes.ReplaceAll(line, []byte{0}, []byte(" "))))
		}
	}
	return found, nil
}

// isOurs recognises the background processes by their command lines.
func isOurs(line []byte, name string) bool {
	arguments := strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")
	if len(arguments) < 4 || arguments[0] != "/proc/self/exe" {
		return false
	}
	switch arguments[1] {
	case ForwardCommand:
		return arguments[3] == name
	case MachineCommand:
		return strings.Contains(arguments[3], "/"+name+"/")
	default:
		return false
	}
}
