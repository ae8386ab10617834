package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// debian is what the guest needs of Debian, libraries included: there is no resolver, so that nothing comes unnoticed.
var debian = []string{
	"busybox-static",       // modprobe, and a shell to look around with
	"ca-certificates",      // containerd and pods that mount them
	"libc6", "libseccomp2", // runc
	"mount", "util-linux", "libmount1", "libblkid1", "libselinux1", "libpcre2-8-0", "libsmartcols1", // the kubelet's mounts
	"e2fsprogs", "libext2fs2t64", "libcom-err2", "libss2", "libuuid1", "logsave", // the state disk
	"nftables", "libnftables1", "libnftnl11", "libmnl0", "libxtables12", "libjansson4", "libgmp10", "libedit2",
	"libbsd0", "libmd0", "libtinfo6", // kube-proxy
	"conntrack", "libnetfilter-conntrack3", "libnfnetlink0",
	"nfs-common", "libtirpc3t64", "libtirpc-common", "libgssapi-krb5-2", "libkrb5-3", "libk5crypto3", "libkrb5support0",
	"libkeyutils1", // the kubelet's NFS volumes
	"apparmor",     // containerd compiles the profile of its containers
}

// tools are the programs of those packages that the guest has; everything else in their bin directories is left out.
var tools = []string{
	"busybox", "mount", "umount", "mkfs.ext4", "mke2fs", "e2fsck", "resize2fs", "blkid", "losetup", "nsenter", "nft", "conntrack",
	"apparmor_parser", "mount.nfs", "mount.nfs4",
}

const kernelPackage = "linux-image-cloud-amd64" // depends on the package of the current kernel

// aptConfig has apt look at the Debian release that guests are made of and at nothing else, whatever this machine runs.
// What the release has under a name changes with its own updates only.
const aptConfig = `APT::Architecture "amd64";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Dir::Etc::sourcelist "{{.}}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "{{.}}";
Dir::State::status "/dev/null";
Dir::Cache "{{.}}/cache";
`

const sources = `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie-updates main
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian-security trixie-security main
`

// apt runs apt's programs with lists of packages of their own.
type apt struct {
	config string // path of the configuration
}

// newApt keeps lists and configuration in dir.
func newApt(dir string) (apt, error) {
	a := apt{config: filepath.Join(dir, "apt.conf")}
	for _, sub := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return a, err
		}
	}
	return a, errors.Join(
		os.WriteFile(filepath.Join(dir, "sources.list"), []byte(sources), 0o644),
		os.WriteFile(a.config, []byte(strings.ReplaceAll(aptConfig, "{{.}}", dir)), 0o644))
}

func (a apt) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "APT_CONFIG="+a.config)
	return cmd
}

// download fetches the kernel's and the other packages into dir, keeping those of earlier times, and returns the paths
// of exactly those of today's versions, in a fixed order.
func download(ctx context.Context, dir string) ([]string, error) {
	a, err := newApt(filepath.Join(dir, "apt"))
	if err != nil {
		return nil, err
	}
	files, err := a.downloadListed(ctx, dir)
	if err == nil {
		return files, nil
	}
	// The lists of packages may be missing, or name what Debian no longer has.
	if updateErr := run(a.command(ctx, "apt-get", "update", "-qq")); updateErr != nil {
		return nil, errors.Join(err, updateErr)
	}
	return a.downloadListed(ctx, dir)
}

// downloadListed does so by the lists of packages that are there.
func (a apt) downloadListed(ctx context.Context, dir string) ([]string, error) {
	kernel, err := a.currentKernel(ctx)
	if err != nil {
		return nil, err
	}
	names := append([]string{kernel}, debian...)
	show := a.command(ctx, "apt-get", append([]string{"download", "--print-uris"}, names...)...)
	out, err := show.Output()
	if err != nil {
		return nil, commandError(show, err)
	}
	var files []string
	var missing bool
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		fields := strings.Fields(line) // 'URI' file size digest
		if len(fields) < 2 {
			return nil, fmt.Errorf("%s said %q", show, line)
		}
		path := filepath.Join(dir, fields[1])
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			missing = true
		}
		files = append(files, path)
	}
	if missing {
		fetch := a.command(ctx, "apt-get", append([]string{"download", "-qq"}, names...)...)
		fetch.Dir = dir
		if err := run(fetch); err != nil {
			return nil, err
		}
	}
	slices.Sort(files)
	return files, nil
}

var kernelImage = regexp.MustCompile(`linux-image-[0-9][^ ,)]*-cloud-amd64`)

func (a apt) currentKernel(ctx context.Context) (string, error) {
	show := a.command(ctx, "apt-cache", "show", "--no-all-versions", kernelPackage)
	out, err := show.Output()
	if err != nil {
		return "", commandError(show, err)
	}
	name := kernelImage.FindString(string(out))
	if name == "" {
		return "", fmt.Errorf("package %s depends on no kernel", kernelPackage)
	}
	return name, nil
}

func commandError(cmd *exec.Cmd, err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("%s: %w: %s", cmd, err, exit.Stderr)
	}
	return fmt.Errorf("%s: %w", cmd, err)
}

// unpack extracts the packages and merges them into root, where /bin, /sbin and /lib are links into /usr, leaving out
// documentation, and programs not in tools. What belongs into /boot goes to boot.
func unpack(ctx context.Context, packages []string, scratch, root, boot string) error {
	for _, p := range packages {
		dir := filepath.Join(scratch, filepath.Base(p))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := run(exec.CommandContext(ctx, "dpkg-deb", "--extract", p, dir)); err != nil {
			return err
		}
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			name, err := filepath.Rel(dir, path)
			if err != nil {
				return err
			}
			if file, ok := strings.CutPrefix(name, "boot/"); ok {
				return move(path, filepath.Join(boot, file))
			}
			if target := destination(name); target != "" {
				return move(path, filepath.Join(root, target))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// destination is where a package's file goes in the merged root, or empty if it stays out.
func destination(name string) string {
	if top, _, _ := strings.Cut(name, "/"); slices.Contains([]string{"bin", "sbin", "lib", "lib64"}, top) {
		name = "usr/" + name
	}
	dir, file := filepath.Split(name)
	switch dir {
	case "usr/bin/", "usr/sbin/":
		if !slices.Contains(tools, file) {
			return ""
		}
	}
	for _, wanted := range []string{
		"etc/mke2fs.conf", "etc/netconfig", "etc/apparmor/parser.conf", "etc/apparmor.d/abi/", "etc/apparmor.d/abstractions/", "etc/apparmor.d/tunables/",
	} {
		if strings.HasPrefix(name, wanted) {
			return name
		}
	}
	for _, unwanted := range []string{
		"usr/share/doc/", "usr/share/man/", "usr/share/locale/", "usr/share/lintian/", "usr/share/bash-completion/",
		"usr/share/initramfs-tools/", "usr/share/bug/", "usr/share/nftables/", "usr/lib/systemd/", "usr/lib/udev/", "usr/lib/modprobe.d/",
		"usr/lib/x86_64-linux-gnu/gconv/", "usr/lib/x86_64-linux-gnu/e2fsprogs/", "usr/lib/x86_64-linux-gnu/perl",
		"usr/lib/locale/", "etc/",
	} {
		if strings.HasPrefix(name, unwanted) {
			return ""
		}
	}
	return name
}

func move(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.Rename(from, to)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
