// The initramfs program finds the read-only root disk, mounts it, and hands over to /sbin/init on it. It is all that the
// initial RAM file system holds beside the kernel modules which it needs for that, because under emulation every
// megabyte there costs tens of milliseconds.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"slipway.dev/guest/blockdev"
	"slipway.dev/guest/contract"
	"slipway.dev/guest/kernel"
)

const (
	newRoot  = "/root"
	modules  = "/modules"
	diskWait = 30 * time.Second
)

func main() {
	if err := run(); err != nil {
		// Returning from PID 1 panics the kernel, which then restarts the guest (panic=10).
		kernel.Console(os.Stdout, "initramfs failed: %v", err)
		os.Exit(1)
	}
}

func run() error {
	for _, m := range []struct{ source, target, fstype string }{
		{"devtmpfs", "/dev", "devtmpfs"},
		{"proc", "/proc", "proc"},
		{"sysfs", "/sys", "sysfs"},
	} {
		if err := os.MkdirAll(m.target, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.source, m.target, m.fstype, unix.MS_NOSUID|unix.MS_NOEXEC, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	// The kernel opened /dev/console for us only if the initramfs had one, which it has not.
	if console, err := os.OpenFile("/dev/console", os.O_RDWR, 0); err == nil {
		for fd := range 3 {
			if err := unix.Dup3(int(console.Fd()), fd, 0); err != nil && int(console.Fd()) != fd {
				return fmt.Errorf("open console: %w", err)
			}
		}
	}
	kernel.Console(os.Stdout, "kernel up")
	if err := kernel.LoadModules(os.DirFS(modules), "order"); err != nil {
		return err
	}
	if err := mountRoot(); err != nil {
		return err
	}
	return switchRoot()
}

func mountRoot() error {
	ctx, cancel := context.WithTimeout(context.Background(), diskWait)
	defer cancel()
	var device string
	if err := blockdev.Await(ctx, func() (err error) {
		device, err = blockdev.Host.BySerial(contract.RootDiskSerial)
		return err
	}); err != nil {
		return fmt.Errorf("find root disk: %w", err)
	}
	// Each request costs an emulated device far more than each byte does, and what is read here are large programs.
	readAhead := filepath.Join("/sys/block", filepath.Base(device), "queue/read_ahead_kb")
	if err := os.WriteFile(readAhead, []byte("1024"), 0o644); err != nil {
		return err
	}
	if err := os.MkdirAll(newRoot, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(device, newRoot, "erofs", unix.MS_RDONLY|unix.MS_NOATIME, ""); err != nil {
		return fmt.Errorf("mount %s: %w", device, err)
	}
	return nil
}

// switchRoot frees what the initramfs holds, makes newRoot the root and becomes its init.
func switchRoot() error {
	for _, dir := range []string{"/dev", "/proc", "/sys"} {
		if err := unix.Mount(dir, newRoot+dir, "", unix.MS_MOVE, ""); err != nil {
			return fmt.Errorf("move %s: %w", dir, err)
		}
	}
	for _, old := range []string{modules, "/init"} {
		if err := os.RemoveAll(old); err != nil {
			return err
		}
	}
	if err := os.Chdir(newRoot); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("move root: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("change root: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	return unix.Exec("/sbin/init", []string{"/sbin/init"}, os.Environ())
}
