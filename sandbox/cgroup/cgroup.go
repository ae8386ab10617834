// Package cgroup makes and removes the control groups that hold a sandbox's
// processes, on hosts with either version of the interface.
package cgroup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// Prefix starts the name of every group that Remove agrees to end.
	Prefix = "slipway."

	mountPoint = "/sys/fs/cgroup"
	// leaf holds the machine's own processes, beside those of the pods: in
	// version 2 a group with children has no processes itself.
	leaf = "machine"
)

// hierarchies lists the folders in which every group has to exist.
func hierarchies() ([]string, error) {
	if unified() {
		return []string{mountPoint}, nil
	}
	entries, err := os.ReadDir(mountPoint)
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, e := range entries {
		dir := filepath.Join(mountPoint, e.Name())
		if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err == nil && e.IsDir() {
			dirs = append(dirs, dir)
		}
	}
	return dirs, nil
}

func unified() bool {
	_, err := os.Stat(filepath.Join(mountPoint, "cgroup.controllers"))
	return err == nil
}

// Create makes the named group in every hierarchy, ready for containers.
func Create(name string) error {
	dirs, err := hierarchies()
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		for _, group := range []string{name, filepath.Join(name, leaf)} {
			path := filepath.Join(dir, group)
			if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
			if err := enable(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// enable makes a new group usable. Version 1 starts cpuset groups empty;
// version 2 hands on no controller by itself.
func enable(path string) error {
	parent := filepath.Dir(path)
	if unified() {
		controllers, err := os.ReadFile(filepath.Join(parent, "cgroup.controllers"))
		if err != nil {
			return err
		}
		for _, c := range strings.Fields(string(controllers)) {
			if err := os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte("+"+c), 0o644); err != nil {
				return fmt.Errorf("enabling controller %s for %s: %w", c, path, err)
			}
		}
		return nil
	}
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(parent, file))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(path, file), bytes.TrimSpace(value), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Join moves the calling process into the named group. The kernel takes 0 for
// the writer itself, whatever its number in its PID namespace.
func Join(name string) error { return Add(name, 0) }

// Add moves a process into the named group.
func Add(name string, pid int) error {
	dirs, err := hierarchies()
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if err := os.WriteFile(filepath.Join(dir, name, leaf, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644); err != nil {
			return fmt.Errorf("adding process %d to cgroup %s: %w", pid, name, err)
		}
	}
	return nil
}

// List returns the names of the groups that start with prefix.
func List(prefix string) ([]string, error) {
	dirs, err := hierarchies()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.IsDir() && strings.HasPrefix(e.Name(), prefix) {
				names = append(names, e.Name())
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Remove ends every process in the named group and those below it, and removes
// them. An absent group is no error.
func Remove(ctx context.Context, name string) error {
	if !strings.HasPrefix(name, Prefix) || strings.ContainsRune(name, '/') {
		return fmt.Errorf("cgroup %q is not one of a sandbox", name)
	}
	dirs, err := hierarchies()
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if err := removeTree(ctx, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

func removeTree(ctx context.Context, root string) error {
	groups, err := tree(root)
	if err != nil {
		return err
	}
	for {
		left := 0
		for _, group := range slices.Backward(groups) {
			if err := kill(group); err != nil {
				return err
			}
			if err := unix.Rmdir(group); err != nil && !errors.Is(err, fs.ErrNotExist) {
				left++
			}
		}
		if left == 0 {
			return nil
		}
		// The kernel tells nobody when the last process of a version 1 group is gone.
		select {
		case <-ctx.Done():
			return fmt.Errorf("removing cgroup %s: %w", root, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// tree lists root and the groups below it, parents first.
func tree(root string) ([]string, error) {
	var groups []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && entry.IsDir() {
			groups = append(groups, path)
		}
		return err
	})
	return groups, err
}

func kill(group string) error {
	pids, err := Processes(group)
	for _, pid := range pids {
		if pid > 1 { // 0 would mean our own process group
			_ = unix.Kill(pid, unix.SIGKILL) // it may have ended meanwhile
		}
	}
	return err
}

// Processes lists the processes in one group, given by its path.
func Processes(group string) ([]int, error) {
	data, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, line := range strings.Fields(string(data)) {
		pid, err := strconv.Atoi(line)
		if err != nil {
			return nil, fmt.Errorf("reading processes of %s: %w", group, err)
		}
		pids = append(pids, pid)
	}
	return pids, nil
}
