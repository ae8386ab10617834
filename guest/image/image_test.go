package image

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway.dev/guest/contract"
)

func TestLoadOrder(t *testing.T) {
	dir := t.TempDir()
	const dependencies = `kernel/net/bridge/bridge.ko: kernel/net/802/stp.ko kernel/net/llc/llc.ko
kernel/net/802/stp.ko: kernel/net/llc/llc.ko
kernel/net/llc/llc.ko:
kernel/net/bridge/br_netfilter.ko: kernel/net/bridge/bridge.ko kernel/net/802/stp.ko kernel/net/llc/llc.ko
kernel/drivers/char/hw_random/virtio-rng.ko.xz:
`
	if err := os.WriteFile(filepath.Join(dir, "modules.dep"), []byte(dependencies), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := loadOrder(dir, []string{"br_netfilter", "bridge", "virtio_rng"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"kernel/net/llc/llc.ko", "kernel/net/802/stp.ko", "kernel/net/bridge/bridge.ko", "kernel/net/bridge/br_netfilter.ko",
		"kernel/drivers/char/hw_random/virtio-rng.ko.xz",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if _, err := loadOrder(dir, []string{"missing"}); err == nil {
		t.Error("a missing module gives no error")
	}
}

func TestDestination(t *testing.T) {
	tests := map[string]string{
		"bin/mount":                               "usr/bin/mount",
		"sbin/mkfs.ext4":                          "usr/sbin/mkfs.ext4",
		"bin/dmesg":                               "",
		"lib/x86_64-linux-gnu/libc.so.6":          "usr/lib/x86_64-linux-gnu/libc.so.6",
		"lib64/ld-linux-x86-64.so.2":              "usr/lib64/ld-linux-x86-64.so.2",
		"usr/share/doc/mount/copyright":           "",
		"usr/share/ca-certificates/mozilla/a.crt": "usr/share/ca-certificates/mozilla/a.crt",
		"etc/mke2fs.conf":                         "etc/mke2fs.conf",
		"etc/apparmor.d/tunables/global":          "etc/apparmor.d/tunables/global",
		"etc/apparmor.d/firefox":                  "",
		"etc/init.d/x":                            "",
	}
	for name, want := range tests {
		if got := destination(name); got != want {
			t.Errorf("%s goes to %q, want %q", name, got, want)
		}
	}
}

// The kernel is not at hand here, but the cpio program reads the same format.
func TestCPIO(t *testing.T) {
	var archive bytes.Buffer
	w := cpio{w: &archive}
	w.directory("dir")
	w.file("dir/odd", 0o644, []byte("12345"))
	w.file("program", 0o755, []byte("x"))
	w.end()
	if w.err != nil {
		t.Fatal(w.err)
	}
	dir := t.TempDir()
	unpack := exec.Command("cpio", "--extract", "--quiet")
	unpack.Dir, unpack.Stdin = dir, &archive
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("cpio: %v: %s", err, out)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "dir/odd")); err != nil || string(got) != "12345" {
		t.Errorf("dir/odd: %q, %v", got, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "program")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("program: %v, %v", info, err)
	}
}

func TestLowerChecksum(t *testing.T) {
	var padded int
	for i := range 64 {
		path := filepath.Join(t.TempDir(), "file")
		content := []byte(fmt.Sprintf("content %d", i))
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := lowerChecksum(path); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if sum := crc32.ChecksumIEEE(got); sum >= 1<<31 {
			t.Errorf("checksum of %q is %#x", content, sum)
		}
		rest, ok := bytes.CutPrefix(got, content)
		if !ok || len(bytes.Trim(rest, "\x00")) > 0 {
			t.Errorf("%q became %q", content, got)
		}
		if low := crc32.ChecksumIEEE(content) < 1<<31; low != (len(rest) == 0) {
			t.Errorf("%q: low checksum %v, %d bytes of padding", content, low, len(rest))
		}
		if len(rest) > 0 {
			padded++
		}
	}
	if padded == 0 {
		t.Error("no content needed padding: the test shows nothing")
	}
}

func TestResultImage(t *testing.T) {
	dir := t.TempDir()
	result := Result{Kernel: filepath.Join(dir, "vmlinuz"), Initrd: filepath.Join(dir, "initrd.img"), Root: filepath.Join(dir, "root.img")}
	for _, path := range []string{result.Kernel, result.Initrd, result.Root} {
		if err := os.WriteFile(path, []byte(filepath.Base(path)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first, err := result.Image()
	if err != nil {
		t.Fatal(err)
	}
	second, err := result.Image()
	if err != nil {
		t.Fatal(err)
	}
	one, err1 := first.Digest()
	two, err2 := second.Digest()
	if one != two || err1 != nil || err2 != nil {
		t.Errorf("the same files give %v and %v (%v, %v)", one, two, err1, err2)
	}
	layers, err := first.Layers()
	if err != nil || len(layers) != 2 {
		t.Fatalf("%d layers, %v, want 2", len(layers), err)
	}
	var listing string
	for _, layer := range layers {
		content, err := layer.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		list := exec.Command("tar", "--list", "--verbose", "--numeric-owner")
		list.Stdin = content
		out, err := list.Output()
		if err != nil {
			t.Fatal(err)
		}
		listing += string(out)
	}
	for _, path := range []string{contract.KernelPath, contract.InitrdPath, contract.RootPath} {
		if !slices.ContainsFunc(strings.Split(listing, "\n"), func(line string) bool {
			return strings.Contains(line, "107/107") && strings.HasSuffix(line, " "+strings.TrimPrefix(path, "/"))
		}) {
			t.Errorf("no %s of user 107 in\n%s", path, listing)
		}
	}
}
