package build

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
)

// Packages are the Debian packages that building and running the sandbox needs.
var Packages = []string{
	// to compile runc, KubeVirt and the static C programs
	"gcc", "libc6-dev", "pkg-config", "libseccomp-dev", "libvirt-dev",
	// to make file systems and images
	"mmdebstrap", "debian-archive-keyring", "squashfs-tools", "erofs-utils", "busybox-static", "cpio", "kmod", "xorriso", "zstd", "xz-utils",
	// to run nodes, guests and the name server
	"iproute2", "nftables", "iptables", "conntrack", "qemu-system-x86", "bind9", "bind9-utils",
}

// InstallPackages installs those of Packages that this machine lacks.
func InstallPackages(ctx context.Context) error {
	var missing []string
	for _, name := range Packages {
		out, err := exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${Status}", name).Output()
		if err != nil || !strings.HasSuffix(string(out), " installed") {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return withoutServices(policyFile, func() error {
		for _, args := range [][]string{{"update"}, append([]string{"install", "-y", "--no-install-recommends"}, missing...)} {
			cmd := exec.CommandContext(ctx, "apt-get", args...)
			cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
			if err := run(cmd); err != nil {
				return fmt.Errorf("installing Debian packages %s: %w", strings.Join(missing, " "), err)
			}
		}
		return nil
	})
}

// policyFile is asked by packages whether they may start their services; 101 means that they may not (invoke-rc.d(8)).
const (
	policyFile = "/usr/sbin/policy-rc.d"
	noServices = "#!/bin/sh\n# Slipway's sandbox is installing packages, and starts none of their services on this machine.\nexit 101\n"
)

// withoutServices installs packages and keeps them from starting services on this machine, as BIND's would: the sandbox
// starts what it needs in its own namespaces. A policy that is there already is the owner's, and stays, unless it is
// what an earlier call that was killed has left.
func withoutServices(policy string, install func() error) (err error) {
	switch content, err := os.ReadFile(policy); {
	case err == nil && string(content) != noServices:
		return install()
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(policy)) }()
	if err := os.WriteFile(policy, []byte(noServices), 0o755); err != nil {
		return err
	}
	return install()
}
