// Package netns makes, enters and removes named network namespaces. The names
// are those that `ip netns` shows.
package netns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const directory = "/run/netns"

// Path is the file that holds the named namespace open.
func Path(name string) string { return filepath.Join(directory, name) }

// Create makes a namespace that has nothing but a loopback interface.
func Create(name string) error {
	return onOwnThread(func(netns.NsHandle) error {
		created, err := netns.NewNamed(name)
		if err != nil {
			return fmt.Errorf("creating network namespace %s: %w", name, err)
		}
		return created.Close()
	})
}

// Delete removes a namespace's name; the kernel drops the namespace with its
// last process. An absent namespace is no error.
func Delete(name string) error {
	path := Path(name)
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("unmounting %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing network namespace %s: %w", name, err)
	}
	return nil
}

// List returns the names that start with prefix, sorted.
func List(prefix string) ([]string, error) {
	entries, err := os.ReadDir(directory)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("listing network namespaces: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// Do runs f with the calling goroutine in the named namespace. Sockets that f
// opens and processes that f starts belong to that namespace; goroutines that
// f starts do not.
func Do(name string, f func() error) error {
	return onOwnThread(func(netns.NsHandle) error {
		target, err := netns.GetFromName(name)
		if err != nil {
			return fmt.Errorf("opening network namespace %s: %w", name, err)
		}
		defer target.Close()
		if err := netns.Set(target); err != nil {
			return fmt.Errorf("entering network namespace %s: %w", name, err)
		}
		return f()
	})
}

// onOwnThread locks the goroutine to its thread and gives the thread back to
// the original namespace afterwards. If that fails the thread stays locked, so
// that it ends with the goroutine and nobody inherits the wrong namespace.
func onOwnThread(f func(original netns.NsHandle) error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		original, err := netns.Get()
		if err != nil {
			result <- err
			return
		}
		defer original.Close()
		err = f(original)
		if restore := netns.Set(original); restore == nil {
			runtime.UnlockOSThread()
		}
		result <- err
	}()
	return <-result
}
