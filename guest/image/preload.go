package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"slipway.dev/guest/kernel"
)

// preload leaves in dir a containerd root directory that holds the images unpacked. It is made by containerd itself, so
// that it is what the guest's containerd, which is the same program, would have made.
func (b *builder) preload(ctx context.Context, dir string) error {
	scratch := filepath.Join(b.work, "containerd")
	socket := filepath.Join(scratch, "socket")
	root := filepath.Join(scratch, "root")
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	config := fmt.Sprintf(containerdConfig, root, filepath.Join(scratch, "state"), socket)
	configPath := filepath.Join(scratch, "config.toml")
	if err := os.WriteFile(configPath, []byte(config), 0o644); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	stop, err := startContainerd(ctx, filepath.Join(b.Cache, "bin", "containerd"), configPath, filepath.Join(scratch, "log"))
	if err != nil {
		return err
	}
	if err = kernel.AwaitFile(ctx, socket); err == nil {
		err = b.importImages(ctx, scratch, socket)
	}
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	return collect(root, dir)
}

// No garbage collection happens while the images are imported; the layers' blobs, which nothing needs any more once they
// are unpacked, are collected at the guest's own first collection, or rather found to be gone.
const containerdConfig = `version = 4
root = '%s'
state = '%s'
disabled_plugins = ['io.containerd.cri.v1.images', 'io.containerd.cri.v1.runtime', 'io.containerd.grpc.v1.cri', 'io.containerd.nri.v1.nri',
  'io.containerd.snapshotter.v1.blockfile', 'io.containerd.snapshotter.v1.btrfs', 'io.containerd.snapshotter.v1.devmapper',
  'io.containerd.snapshotter.v1.erofs', 'io.containerd.snapshotter.v1.zfs']
[plugins.'io.containerd.server.v1.grpc']
  address = '%s'
`

// startContainerd starts containerd in a mount namespace of its own, in which it mounts layers while it unpacks them.
func startContainerd(ctx context.Context, program, config, logPath string) (stop func() error, err error) {
	log, err := os.Create(logPath)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, program, "--config", config)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() error {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		if err := cmd.Wait(); err != nil {
			text, _ := os.ReadFile(logPath)
			return fmt.Errorf("containerd: %w: %s", err, text)
		}
		return nil
	}, nil
}

func (b *builder) importImages(ctx context.Context, scratch, socket string) error {
	for i, p := range append([]Preload{b.Pause}, b.Images...) {
		tag, err := name.NewTag(p.Reference)
		if err != nil {
			return err
		}
		archive := filepath.Join(scratch, fmt.Sprintf("image-%d.tar", i))
		if err := tarball.WriteToFile(archive, tag, p.Image); err != nil {
			return fmt.Errorf("write %s: %w", p.Reference, err)
		}
		// The labels are what CRI sets on an image that it has pulled, and what keeps the kubelet from collecting it.
		if err := run(exec.CommandContext(ctx, filepath.Join(b.Cache, "bin", "ctr"), "--address", socket,
			"--namespace", "k8s.io", "images", "import", "--local", "--discard-unpacked-layers", "--snapshotter", "overlayfs",
			"--label", "io.cri-containerd.image=managed", "--label", "io.cri-containerd.pinned=pinned", archive)); err != nil {
			return err
		}
	}
	return nil
}

// collect moves what the guest needs from containerd's root: databases, unpacked layers, and of the blobs the small
// ones, which are manifests and configurations.
func collect(root, dir string) error {
	const maxBlob = 64 << 10 // bytes; pause's layer may be smaller than that, and does no harm
	for _, path := range []string{
		"io.containerd.metadata.v1.bolt/meta.db",
		"io.containerd.snapshotter.v1.overlayfs/metadata.db",
		"io.containerd.snapshotter.v1.overlayfs/snapshots",
	} {
		if err := move(filepath.Join(root, path), filepath.Join(dir, path)); err != nil {
			return err
		}
	}
	const blobs = "io.containerd.content.v1.content/blobs/sha256"
	entries, err := os.ReadDir(filepath.Join(root, blobs))
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() > maxBlob {
			continue
		}
		if err != nil {
			return err
		}
		if err := move(filepath.Join(root, blobs, e.Name()), filepath.Join(dir, blobs, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
