package build

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Packages are the Debian packages that building and running the sandbox needs.
var Packages = []string{
	// to compile runc, KubeVirt and the static C programs
	"gcc", "libc6-dev", "pkg-config", "libseccomp-dev", "libvirt-dev",
	// to make file systems and images
	"mmdebstrap", "debian-archive-keyring", "squashfs-tools", "erofs-utils", "busybox-static", "cpio", "kmod", "xorriso", "zstd",
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
	for _, args := range [][]string{{"update"}, append([]string{"install", "-y", "--no-install-recommends"}, missing...)} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if err := run(cmd); err != nil {
			return fmt.Errorf("installing Debian packages %s: %w", strings.Join(missing, " "), err)
		}
	}
	return nil
}
