package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
)

// stageRoot assembles the root file system and returns the kernel's release.
func (b *builder) stageRoot(ctx context.Context, root string) (release string, err error) {
	if err := makeSkeleton(root); err != nil {
		return "", err
	}
	if err := unpack(ctx, b.packages, filepath.Join(b.work, "unpacked"), root, filepath.Join(b.work, "boot")); err != nil {
		return "", err
	}
	if release, err = onlyEntry(filepath.Join(root, "usr/lib/modules")); err != nil {
		return "", err
	}
	if err := b.installPrograms(root); err != nil {
		return "", err
	}
	if err := b.installFiles(root); err != nil {
		return "", err
	}
	if err := joinCertificates(filepath.Join(root, "usr/share/ca-certificates"), filepath.Join(root, "etc/ssl/certs/ca-certificates.crt")); err != nil {
		return "", err
	}
	if err := pruneModules(ctx, root, release); err != nil {
		return "", err
	}
	if err := run(exec.CommandContext(ctx, "ldconfig", "-r", root)); err != nil {
		return "", err
	}
	for list, modules := range map[string][]string{"early.order": earlyModules, "pods.order": podModules} {
		if err := writeLoadOrder(filepath.Join(root, "usr/lib/modules"), release, list, modules); err != nil {
			return "", err
		}
	}
	return release, nil
}

// makeSkeleton makes the directories that things are mounted on or expected in, and the links of a merged /usr.
func makeSkeleton(root string) error {
	for _, dir := range []string{
		"dev", "proc", "sys", "run", "tmp", "var", "etc", "opt/cni/bin", "mnt", "media", "srv", "home", "root", "boot",
		"usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "usr/libexec/kubernetes/kubelet-plugins/volume/exec", "usr/share/slipway",
	} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	for link, target := range map[string]string{
		"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64",
		"usr/bin/sh": "busybox", "usr/sbin/modprobe": "../bin/busybox", "etc/mtab": "/proc/self/mounts",
	} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) installPrograms(root string) error {
	if err := copyFile(b.init, filepath.Join(root, "usr/sbin/init"), 0o755); err != nil {
		return err
	}
	for name, dir := range programs {
		if err := copyFile(filepath.Join(b.Cache, "bin", name), filepath.Join(root, dir, name), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// installFiles renders the files below rootfs, each a template.
func (b *builder) installFiles(root string) error {
	values := struct{ Pause, Version string }{b.Pause.Reference, b.Version}
	return fs.WalkDir(recipe, "rootfs", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		t, err := template.ParseFS(recipe, path)
		if err != nil {
			return err
		}
		var content bytes.Buffer
		if err := t.Execute(&content, values); err != nil {
			return err
		}
		target := filepath.Join(root, strings.TrimPrefix(path, "rootfs/"))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.WriteFile(target, content.Bytes(), 0o644)
	})
}

// joinCertificates does what update-ca-certificates does on an installed system.
func joinCertificates(dir, bundle string) error {
	if err := os.MkdirAll(filepath.Dir(bundle), 0o755); err != nil {
		return err
	}
	var all bytes.Buffer
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".crt") {
			return err
		}
		certificate, err := os.ReadFile(path)
		all.Write(bytes.TrimRight(certificate, "\n"))
		all.WriteByte('\n')
		return err
	})
	return errors.Join(err, os.WriteFile(bundle, all.Bytes(), 0o644))
}

func onlyEntry(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	if len(entries) != 1 {
		return "", fmt.Errorf("%s has %d entries, want one", dir, len(entries))
	}
	return entries[0].Name(), nil
}

func copyFile(from, to string, mode fs.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
