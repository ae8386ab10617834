package kernel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// OnlineCPUs starts every processor below dir, which is /sys/devices/system/cpu outside tests, that the kernel has left
// off, and reports all that would not start.
func OnlineCPUs(dir string) error {
	// The first processor has no such file: it cannot be off.
	switches, err := filepath.Glob(filepath.Join(dir, "cpu[0-9]*", "online"))
	if err != nil {
		return err
	}
	var failed []error
	for _, path := range switches {
		state, err := os.ReadFile(path)
		if err == nil && strings.TrimSpace(string(state)) == "0" {
			err = os.WriteFile(path, []byte("1"), 0o644)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("start processor: %w", err))
		}
	}
	return errors.Join(failed...)
}
