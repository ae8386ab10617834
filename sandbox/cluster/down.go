package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"slipway.dev/sandbox/cgroup"
	"slipway.dev/sandbox/layout"
	"slipway.dev/sandbox/netns"
	"slipway.dev/sandbox/state"
)

// patience bounds the time that ending processes may take.
const patience = 30 * time.Second

// Down ends a sandbox, whatever state it is in. Unless keepData is set, its
// data goes too. A sandbox that is not there is no error.
func Down(ctx context.Context, o Options, keepData bool) error {
	entry, err := state.Lock(o.Name)
	if err != nil {
		return err
	}
	defer entry.Close()
	recorded, err := entry.Load()
	if err != nil {
		return err
	}
	if recorded != nil {
		o.DataDir = recorded.DataDir
	}
	if err := clear(ctx, o.Name); err != nil {
		return err
	}
	if !keepData {
		if err := removeData(o); err != nil {
			return err
		}
	}
	return entry.Remove()
}

// clear ends every process of a sandbox and removes its cgroups and network
// namespaces. What it looks for has the sandbox's name, or was recorded with
// its start time: it cannot hit anything else.
func clear(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	recorded, err := state.Read(name)
	if err != nil {
		return err
	}
	if recorded != nil {
		for _, p := range recorded.Processes {
			if err := p.Kill(ctx); err != nil {
				return err
			}
		}
	}
	groups, err := cgroup.List(layout.CgroupPrefix(name))
	if err != nil {
		return err
	}
	for _, g := range groups {
		if err := cgroup.Remove(ctx, g); err != nil {
			return err
		}
	}
	namespaces, err := netns.List(layout.NamespacePrefix(name))
	if err != nil {
		return err
	}
	for _, n := range namespaces {
		if err := netns.Delete(n); err != nil {
			return err
		}
	}
	return nil
}

// dataPaths are what a sandbox makes in its data folder.
func dataPaths(o Options) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(o.DataDir, "*.kubeconfig"))
	if err != nil {
		return nil, err
	}
	return append(paths, o.kubeconfigFile(), o.credentialsFile(),
		filepath.Join(o.DataDir, "machines"), filepath.Join(o.DataDir, "log")), nil
}

// removeData removes what a sandbox makes in its data folder, and the folder
// itself if nothing else is in it.
func removeData(o Options) error {
	paths, err := dataPaths(o)
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("removing the sandbox's data: %w", err)
		}
	}
	entries, err := os.ReadDir(o.DataDir)
	if errors.Is(err, os.ErrNotExist) || len(entries) > 0 {
		return nil
	}
	if err != nil {
		return err
	}
	return os.Remove(o.DataDir)
}

// Leftovers names everything of a sandbox that exists on this machine: after
// Down there must be nothing.
func Leftovers(o Options) ([]string, error) {
	var found []string
	if state.Exists(o.Name) {
		found = append(found, "record of sandbox "+o.Name)
	}
	groups, err := cgroup.List(layout.CgroupPrefix(o.Name))
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		found = append(found, "cgroup "+g)
	}
	namespaces, err := netns.List(layout.NamespacePrefix(o.Name))
	if err != nil {
		return nil, err
	}
	for _, n := range namespaces {
		found = append(found, "network namespace "+n)
	}
	mounts, err := mountsBelow(o.DataDir)
	if err != nil {
		return nil, err
	}
	processes, err := processesOf(o)
	if err != nil {
		return nil, err
	}
	paths, err := dataPaths(o)
	if err != nil {
		return nil, err
	}
	var data []string
	for _, path := range paths {
		if _, err := os.Lstat(path); err == nil {
			data = append(data, "data "+path)
		}
	}
	return slices.Concat(found, mounts, processes, data), nil
}
