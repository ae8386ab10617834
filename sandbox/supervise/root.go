package supervise

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// pinnedDirectory holds the files that stand in for the kernel-wide settings.
const pinnedDirectory = "/run/slipway/sysctl"

// enterRoot makes s.Root the root file system of the calling process, whose
// mount namespace is its own. Nothing of the host's tree stays reachable but
// /usr, the device nodes, the cgroups and s.Binds.
func enterRoot(s Spec) error {
	if err := mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	// pivot_root wants a mount point.
	if err := mount(s.Root, s.Root, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	steps := []func(string) error{programs, kernelFileSystems, memoryFileSystems}
	for _, step := range steps {
		if err := step(s.Root); err != nil {
			return err
		}
	}
	for _, b := range s.Binds {
		if err := bind(b.Source, filepath.Join(s.Root, b.Target)); err != nil {
			return err
		}
	}
	if err := pivot(s.Root); err != nil {
		return err
	}
	// kubelet and the CNI plugins pass mounts on to containers.
	return mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "")
}

// programs shows the host's programs and libraries, which cannot be changed
// from within.
func programs(root string) error {
	if err := bind("/usr", filepath.Join(root, "usr")); err != nil {
		return err
	}
	for _, name := range []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32"} {
		target, err := os.Readlink("/" + name)
		if err != nil {
			continue // Debian's folders are links into /usr; what is absent or no link is not needed.
		}
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	for _, path := range []string{"/etc/alternatives", "/etc/ssl", "/etc/ld.so.cache"} {
		if _, err := os.Stat(path); err != nil {
			continue
		}
		if err := bind(path, filepath.Join(root, path)); err != nil {
			return err
		}
	}
	return nil
}

func kernelFileSystems(root string) error {
	for _, m := range []struct{ target, kind string }{{"proc", "proc"}, {"sys", "sysfs"}} {
		target := filepath.Join(root, m.target)
		if err := os.MkdirAll(target, 0o555); err != nil {
			return err
		}
		if err := mount(m.kind, target, m.kind, unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
			return err
		}
	}
	for _, path := range []string{"/dev", "/sys/fs/cgroup"} {
		target := filepath.Join(root, path)
		if err := os.MkdirAll(target, 0o755); err != nil {
			return err
		}
		if err := mount(path, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return err
		}
	}
	return nil
}

func memoryFileSystems(root string) error {
	for _, m := range []struct{ target, options string }{
		{"run", "mode=0755"},
		{"tmp", "mode=1777"},
		{"dev/shm", "mode=1777"},
	} {
		target := filepath.Join(root, m.target)
		if err := os.MkdirAll(target, 0o755); err != nil {
			return err
		}
		if err := mount("tmpfs", target, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, m.options); err != nil {
			return err
		}
	}
	link := filepath.Join(root, "var", "run")
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		return err
	}
	if err := os.Symlink("/run", link); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

// bind mounts a folder or a file of the host below the new root, read-only.
func bind(source, target string) error {
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	if err := mountPoint(target, info.IsDir()); err != nil {
		return err
	}
	if err := mount(source, target, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	return mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
}

func mountPoint(path string, folder bool) error {
	if folder {
		return os.MkdirAll(path, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o644)
	if err != nil {
		return err
	}
	return file.Close()
}

// pivot swaps the root and lets go of the old one.
func pivot(root string) error {
	if err := unix.Chdir(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivoting to %s: %w", root, err)
	}
	// Both roots are now stacked at the same place; the old one is on top.
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("letting go of the host's root: %w", err)
	}
	return unix.Chdir("/")
}

// pinSettings puts files of the machine's own over kernel-wide settings.
func pinSettings(pinned map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(pinned)) {
		file := filepath.Join(pinnedDirectory, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(pinned[name]+"\n"), 0o644); err != nil {
			return err
		}
		if err := mount(file, filepath.Join("/proc/sys", name), "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	return nil
}

func setSysctls(sysctls map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(sysctls)) {
		if err := os.WriteFile(filepath.Join("/proc/sys", name), []byte(sysctls[name]), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func mount(source, target, kind string, flags uintptr, data string) error {
	if err := unix.Mount(source, target, kind, flags, data); err != nil {
		return fmt.Errorf("mounting %q on %s: %w", source, target, err)
	}
	return nil
}
