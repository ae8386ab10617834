// Package kernel is the guest's side of the Linux kernel: modules, sysctls and the clock of its messages.
package kernel

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// LoadModules loads the modules whose paths list names, one a line, in that order: the image build has put each behind
// the modules that it needs. Paths are relative to dir. A module that is loaded already is no error.
func LoadModules(dir fs.FS, list string) error {
	f, err := dir.Open(list)
	if err != nil {
		return err
	}
	defer f.Close()

	var failed []error
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name := strings.TrimSpace(lines.Text())
		if name == "" {
			continue
		}
		if err := loadModule(dir, name); err != nil {
			failed = append(failed, fmt.Errorf("load module %s: %w", name, err))
		}
	}
	return errors.Join(failed...)
}

func loadModule(dir fs.FS, name string) error {
	f, err := dir.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()

	file, ok := f.(*os.File)
	if !ok {
		return fmt.Errorf("not a file of the operating system: %T", f)
	}
	err = unix.FinitModule(int(file.Fd()), "", 0)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

// Uptime is the time since the kernel started, in seconds.
func Uptime() float64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 0
	}
	return float64(now.Nano()) / 1e9
}

// Console writes one line about the guest's life, with the time since the kernel started.
func Console(w io.Writer, format string, args ...any) {
	fmt.Fprintf(w, "slipway: %s %.1fs\n", fmt.Sprintf(format, args...), Uptime())
}
