// Package image makes the guest: a kernel, an initial RAM file system and a read-only root file system, and the
// container image that carries the three to KubeVirt.
//
// It uses apt-get, dpkg-deb, depmod, xz, ldconfig and mkfs.erofs of a Debian host, installs nothing there, and has to run as
// root, because preloaded images contain files of other users.
package image

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Options say what goes into the image.
type Options struct {
	Cache   string    // Slipway's cache; programs are taken from its bin/, results go to its guest/<hash>/
	Source  string    // directory of the module slipway.dev/guest, to compile PID 1 from
	Version string    // Kubernetes version, as in v1.36.3
	Pause   Preload   // the image of every pod's sandbox
	Images  []Preload // further images that a node should not have to pull
	Log     *slog.Logger
}

// Preload is a container image that is on the root file system, unpacked, under the name Reference.
type Preload struct {
	Reference string
	Image     v1.Image
}

// Result names the files of a built guest.
type Result struct {
	Hash   string // of all that the guest was made of
	Kernel string
	Initrd string
	Root   string
	Bill   string // the Debian packages and their versions, one a line
}

// programs are taken from the cache. They are static but for runc, which needs what packages brings.
var programs = map[string]string{
	"containerd":              "usr/bin",
	"containerd-shim-runc-v2": "usr/bin",
	"runc":                    "usr/bin",
	"kubelet":                 "usr/bin",
	"kube-proxy":              "usr/bin",
	"kube-network-policies":   "usr/bin",
	"bridge":                  "opt/cni/bin",
	"host-local":              "opt/cni/bin",
	"portmap":                 "opt/cni/bin",
	"ptp":                     "opt/cni/bin",
}

// recipe is this package itself: a change to how the image is made is a change to the image.
//
//go:embed *.go all:rootfs
var recipe embed.FS

// Build makes the guest, or returns the one made before from the same parts.
func Build(ctx context.Context, o Options) (Result, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	guest := filepath.Join(o.Cache, "guest")
	if err := os.MkdirAll(guest, 0o755); err != nil {
		return Result{}, err
	}
	work, err := os.MkdirTemp(guest, ".build-")
	if err != nil {
		return Result{}, err
	}
	defer os.RemoveAll(work)

	b := builder{Options: o, work: work}
	if err := b.gather(ctx); err != nil {
		return Result{}, err
	}
	hash, err := b.hash()
	if err != nil {
		return Result{}, err
	}
	dir := filepath.Join(guest, hash)
	result := Result{
		Hash: hash, Kernel: filepath.Join(dir, "vmlinuz"), Initrd: filepath.Join(dir, "initrd.img"),
		Root: filepath.Join(dir, "root.img"), Bill: filepath.Join(dir, "packages"),
	}
	// The sandbox removes from the cache what has not been used for long.
	if err := os.Chtimes(dir, time.Time{}, time.Now()); !errors.Is(err, fs.ErrNotExist) {
		return result, err
	}
	o.Log.InfoContext(ctx, "building the guest image", "hash", hash)
	made := filepath.Join(work, "made")
	if err := b.make(ctx, made); err != nil {
		return Result{}, err
	}
	if err := os.Rename(made, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return Result{}, err
	}
	return result, nil
}

type builder struct {
	Options
	work     string
	packages []string // paths of the .deb files
	init     string   // PID 1
	stage1   string   // the initramfs's program
}

// gather gets everything that the image is made of.
func (b *builder) gather(ctx context.Context) error {
	var err error
	if b.packages, err = download(ctx, filepath.Join(b.Cache, "debian")); err != nil {
		return err
	}
	b.init, b.stage1 = filepath.Join(b.work, "init"), filepath.Join(b.work, "initramfs")
	for program, output := range map[string]string{"./init": b.init, "./initramfs": b.stage1} {
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", output, program)
		build.Dir = b.Source
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if err := run(build); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) hash() (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(recipe, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") {
			return err
		}
		content, err := recipe.ReadFile(path)
		fmt.Fprintf(sum, "%s %x\n", path, sha256.Sum256(content))
		return err
	})
	if err != nil {
		return "", err
	}
	files := append([]string{b.init, b.stage1}, b.packages...)
	for _, name := range sortedKeys(programs) {
		files = append(files, filepath.Join(b.Cache, "bin", name))
	}
	for _, path := range files {
		digest, err := fileDigest(path)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%s %x\n", filepath.Base(path), digest)
	}
	for _, p := range append([]Preload{b.Pause}, b.Images...) {
		digest, err := p.Image.Digest()
		if err != nil {
			return "", fmt.Errorf("digest of %s: %w", p.Reference, err)
		}
		fmt.Fprintf(sum, "%s %s\n", p.Reference, digest)
	}
	fmt.Fprintln(sum, b.Version)
	return hex.EncodeToString(sum.Sum(nil))[:16], nil
}

// make puts the finished files into dir.
func (b *builder) make(ctx context.Context, dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	root := filepath.Join(b.work, "root")
	release, err := b.stageRoot(ctx, root)
	if err != nil {
		return fmt.Errorf("root file system: %w", err)
	}
	if err := b.preload(ctx, filepath.Join(root, "usr/share/slipway/containerd")); err != nil {
		return fmt.Errorf("preload images: %w", err)
	}
	if err := copyFile(filepath.Join(b.work, "boot", "vmlinuz-"+release), filepath.Join(dir, "vmlinuz"), 0o644); err != nil {
		return err
	}
	if err := writeInitrd(filepath.Join(dir, "initrd.img"), b.stage1, filepath.Join(root, "usr/lib/modules", release)); err != nil {
		return fmt.Errorf("initrd: %w", err)
	}
	if err := makeFilesystem(ctx, root, filepath.Join(dir, "root.img")); err != nil {
		return err
	}
	for _, name := range []string{"vmlinuz", "initrd.img", "root.img"} {
		if err := lowerChecksum(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	var bill strings.Builder
	for _, p := range b.packages {
		fmt.Fprintln(&bill, strings.TrimSuffix(filepath.Base(p), ".deb"))
	}
	return os.WriteFile(filepath.Join(dir, "packages"), []byte(bill.String()), 0o644)
}

// makeFilesystem writes an uncompressed EROFS. With LZ4 it would be half as large, but starting the node's programs
// under emulation then takes a quarter longer, and on its way to a node the image is compressed as a layer anyway.
func makeFilesystem(ctx context.Context, root, output string) error {
	return run(exec.CommandContext(ctx, "mkfs.erofs", "-T0", "--quiet", "-E", "noinline_data", output, root))
}

func run(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}

func fileDigest(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return nil, err
	}
	return sum.Sum(nil), nil
}
