package kernel

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// openToAll are the device files that udev's own rules open to everybody.
var openToAll = []string{"fuse", "net/tun"}

// MakeDevices makes the device files below dev whose modules are loaded when somebody opens them, as systemd does from
// what depmod lists in modules.devname: module, path, and c or b with the numbers. A file that is there already stays.
func MakeDevices(dev string, list io.Reader) error {
	var failed []error
	lines := bufio.NewScanner(list)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := makeDevice(dev, line); err != nil {
			failed = append(failed, err)
		}
	}
	for _, name := range openToAll {
		if err := os.Chmod(filepath.Join(dev, name), 0o666); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = append(failed, err)
		}
	}
	return errors.Join(append(failed, lines.Err())...)
}

func makeDevice(dev, line string) error {
	var module, name string
	var kind rune
	var major, minor uint32
	if _, err := fmt.Sscanf(line, "%s %s %c%d:%d", &module, &name, &kind, &major, &minor); err != nil {
		return fmt.Errorf("device %q: %w", line, err)
	}
	if !filepath.IsLocal(name) {
		return fmt.Errorf("device %q is not below %s", line, dev)
	}
	mode := uint32(unix.S_IFCHR)
	if kind == 'b' {
		mode = unix.S_IFBLK
	}
	path := filepath.Join(dev, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	err := unix.Mknod(path, mode|0o600, int(unix.Mkdev(major, minor)))
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make %s: %w", path, err)
	}
	return nil
}
