package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"slipway.dev/guest/blockdev"
	"slipway.dev/guest/contract"
	"slipway.dev/guest/kernel"
)

const diskWait = 5 * time.Second

// prepareState mounts the state disk, formatting it if it is blank, and makes what the services expect on it.
func (m *machine) prepareState(ctx context.Context) error {
	device, err := m.stateDisk(ctx)
	if err != nil {
		return err
	}
	if err := mountAll(stateMounts(device)); err != nil {
		return err
	}
	for _, dir := range []string{
		contract.LogDir, contract.CNIConfigDir, filepath.Dir(contract.KubeletClientCert), filepath.Dir(contract.ContainerdSocket),
		"/var/tmp", "/var/cache", "/var/lib/cni", "/etc/kubernetes/manifests",
	} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	for link, target := range map[string]string{"/var/run": "../run", "/var/lock": "../run/lock"} {
		if err := os.Symlink(target, link); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if err := os.Chmod("/var/tmp", fs.ModeSticky|0o777); err != nil {
		return err
	}
	return preloadImages(preloaded, containerdRoot)
}

func (m *machine) stateDisk(ctx context.Context) (string, error) {
	wait, cancel := context.WithTimeout(ctx, diskWait)
	defer cancel()
	var device string
	err := blockdev.Await(wait, func() (err error) {
		device, err = blockdev.Host.BySerial(contract.StateDiskSerial)
		return err
	})
	if errors.Is(err, blockdev.ErrNotFound) {
		m.report("no state disk, /var is in memory")
		return "", nil
	}
	if err != nil {
		return "", err
	}
	disk, err := os.Open(device)
	if err != nil {
		return "", err
	}
	defer disk.Close()
	content, err := blockdev.Inspect(disk)
	if err != nil {
		return "", err
	}
	switch content {
	case blockdev.Foreign:
		return "", fmt.Errorf("state disk %s is neither blank nor ext4: not touched", device)
	case blockdev.Blank:
		// Nothing on the disk needs to be zeroed, and a small journal is written faster.
		if err := m.reaper.Run(ctx, "/sbin/mkfs.ext4", "-q", "-F", "-m", "1", "-J", "size=16",
			"-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", "-L", contract.StateDiskSerial, device); err != nil {
			return "", fmt.Errorf("format state disk: %w", err)
		}
		m.report("state disk formatted")
	case blockdev.Ext4Damaged:
		if err := m.reaper.Run(ctx, "/sbin/e2fsck", "-y", device); err != nil {
			m.report("state disk repaired: %v", err) // it exits with 1 after repairs
		}
	case blockdev.Ext4:
	}
	return device, nil
}

const (
	preloaded      = "/usr/share/slipway/containerd" // as the image build left containerd's root directory
	containerdRoot = "/var/lib/containerd"
)

// Where containerd keeps what belongs to images, below its root directory.
const (
	metadataDB  = "io.containerd.metadata.v1.bolt/meta.db"
	snapshotsDB = "io.containerd.snapshotter.v1.overlayfs/metadata.db"
	snapshots   = "io.containerd.snapshotter.v1.overlayfs/snapshots"
	blobs       = "io.containerd.content.v1.content/blobs/sha256"
)

// preloadImages gives containerd the images which the root file system holds, unpacked, without a copy: unpacked layers
// and the few blobs that are left (manifests and configurations) are linked to where they lie read-only, and only its
// databases are copied. It runs once in a state disk's life.
func preloadImages(from, to string) error {
	if _, err := os.Stat(filepath.Join(to, metadataDB)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, dir := range []string{snapshots, blobs} {
		if err := linkEntries(filepath.Join(from, dir), filepath.Join(to, dir)); err != nil {
			return err
		}
	}
	// The metadata comes last: it marks all this as done, and with it the links too are safe from a crash.
	for _, db := range []string{snapshotsDB, metadataDB} {
		content, err := os.ReadFile(filepath.Join(from, db))
		if err != nil {
			return err
		}
		if err := writeDurably(filepath.Join(to, db), content); err != nil {
			return err
		}
	}
	return nil
}

func linkEntries(from, to string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		// A link is there already if the guest crashed here before.
		if err := os.Symlink(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// writeDurably makes a file that is there either whole or not at all, whenever the guest crashes.
func writeDurably(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// loadModules loads the modules of one of the lists that the image build has made.
func (m *machine) loadModules(list string) {
	if err := kernel.LoadModules(os.DirFS("/usr/lib/modules"), list); err != nil {
		m.report("%v", err)
	}
}

// preparePods loads what pods and kube-proxy need, and then makes the devices and settings that come with modules.
func (m *machine) preparePods() {
	m.loadModules("pods.order")
	if err := makeDevices("/dev", "/usr/lib/modules/*/modules.devname"); err != nil {
		m.report("%v", err)
	}
	if err := kernel.SetSysctls("/proc/sys", kernel.NodeSysctls); err != nil {
		m.report("%v", err)
	}
}

// makeDevices makes those of the modules of the one kernel that the image has.
func makeDevices(dev, pattern string) error {
	lists, err := filepath.Glob(pattern)
	if err != nil {
		return err
	}
	for _, path := range lists {
		list, err := os.Open(path)
		if err != nil {
			return err
		}
		defer list.Close()
		if err := kernel.MakeDevices(dev, list); err != nil {
			return err
		}
	}
	return nil
}
