package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Rootfs is a Debian root file system, the base of an image.
type Rootfs struct {
	Name string
	// Suite is the Debian release.
	Suite string
	// Variant is mmdebstrap's: extract unpacks Packages and what they need, and nothing else.
	Variant  string
	Packages []string
	// Hooks are shell commands that change the tree in $1 before it is packed.
	Hooks []string

	path string
}

// nftTree is what kube-proxy needs besides itself: nft, and the names of protocols. Without /etc/protocols nft lists
// "6" where kube-proxy wrote "tcp", and a second full synchronisation takes every Service for a leftover.
var nftTree = Rootfs{Name: "nft", Suite: "trixie", Variant: "extract", Packages: []string{"nftables", "netbase"}}

// virtualMachineTree runs libvirt and qemu for KubeVirt, which wants newer ones than bookworm has.
var virtualMachineTree = Rootfs{
	Name:    "libvirt",
	Suite:   "trixie",
	Variant: "minbase",
	Packages: []string{
		"libvirt-daemon", "libvirt-daemon-driver-qemu", "libvirt-daemon-log", "libvirt-clients",
		"qemu-system-x86", "qemu-utils", "seabios", "iproute2", "nftables", "procps", "xorriso",
	},
	Hooks: []string{
		// An absolute link would lead out of the tree when virt-handler follows it from outside.
		`ln -sfn ../run "$1/var/run"`,
		// KubeVirt looks for the process virtqemud and for its sockets, Debian has one libvirtd for all drivers. The
		// links are made at every start, because /run/libvirt is a volume.
		`mkdir -p "$1/usr/libexec/libvirtd" && cp "$1/usr/sbin/libvirtd" "$1/usr/libexec/libvirtd/virtqemud"`,
		`printf '%s\n' '#!/bin/sh' 'mkdir -p /run/libvirt' 'ln -sfn libvirt-sock /run/libvirt/virtqemud-sock' 'ln -sfn libvirt-admin-sock /run/libvirt/virtqemud-admin-sock' 'exec /usr/libexec/libvirtd/virtqemud "$@"' >"$1/usr/sbin/virtqemud" && chmod 755 "$1/usr/sbin/virtqemud"`,
		// KubeVirt runs guests as user 107.
		`sed -i -E '/^[^:]*:[^:]*:107:/d' "$1/etc/passwd" "$1/etc/group"`,
		`echo 'qemu:x:107:107::/home/qemu:/bin/bash' >>"$1/etc/passwd"; echo 'qemu:x:107:' >>"$1/etc/group"`,
		`rm -rf "$1"/usr/share/doc "$1"/usr/share/man "$1"/usr/share/locale "$1"/usr/share/info`,
	},
}

// debian returns tree as a one-layer image in the cache. The hash is that of the recipe: what Debian has under a name
// changes only with security updates of a release.
func (b *Builder) debian(ctx context.Context, tree Rootfs) (*Rootfs, error) {
	start := time.Now()
	recipe, err := json.Marshal(tree)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(recipe)
	tree.path = filepath.Join(b.Cache, "images", "debian-"+tree.Name+"-"+hex.EncodeToString(sum[:])[:hashLength])
	fresh, err := once(tree.path, func(tmp string) error { return tree.bootstrap(ctx, tmp) })
	if err != nil {
		return nil, fmt.Errorf("tree of Debian packages %s: %w", tree.Name, err)
	}
	b.report("debian", tree.Name, fresh, start, tree.path)
	return &tree, nil
}

// bootstrap makes the tree with mmdebstrap and writes it to dir as an OCI layout.
func (t Rootfs) bootstrap(ctx context.Context, dir string) error {
	packed := filepath.Join(dir, "layer.tar.zst")
	args := []string{
		"--quiet", "--mode=root", "--variant=" + t.Variant, "--include=" + strings.Join(t.Packages, ","),
		"--skip=output/dev", "--hook-dir=/usr/share/mmdebstrap/hooks/maybe-merged-usr",
	}
	for _, hook := range t.Hooks {
		args = append(args, "--customize-hook="+hook)
	}
	cmd := exec.CommandContext(ctx, "mmdebstrap", append(args, t.Suite, packed)...)
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=0", "ZSTD_CLEVEL=1")
	if err := run(cmd); err != nil {
		return err
	}
	layer, err := openLayer(packed)
	if err != nil {
		return err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.AppendLayers(base, layer)
	if err != nil {
		return err
	}
	if err := writeLayout(dir, image); err != nil {
		return err
	}
	return os.Remove(packed)
}
