package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// UseTwoListsOfPages turns the kernel's multi-generational LRU off, below dir, which is /sys/kernel/mm outside tests. A page
// of a file that was read once is in its youngest generation, and counts as active, until memory is short. What is active
// the kubelet takes for used: a worker that has read its images would look full, and pods be evicted from it.
func UseTwoListsOfPages(dir string) error {
	err := os.WriteFile(filepath.Join(dir, "lru_gen", "enabled"), []byte("0"), 0o644)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a kernel without it
		return fmt.Errorf("turn off multi-generational LRU: %w", err)
	}
	return nil
}
