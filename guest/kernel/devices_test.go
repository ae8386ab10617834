package kernel

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMakeDevices(t *testing.T) {
	dev := t.TempDir()
	const list = `# Device nodes to trigger on-demand module loading.
tun net/tun c10:200
loop loop-control c10:237
sr_mod sr0 b11:0
`
	for range 2 { // what is there stays
		if err := MakeDevices(dev, strings.NewReader(list)); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]struct {
		mode   fs.FileMode
		device uint64
	}{
		"net/tun":      {fs.ModeDevice | fs.ModeCharDevice | 0o666, unix.Mkdev(10, 200)},
		"loop-control": {fs.ModeDevice | fs.ModeCharDevice | 0o600, unix.Mkdev(10, 237)},
		"sr0":          {fs.ModeDevice | 0o600, unix.Mkdev(11, 0)},
	} {
		info, err := os.Stat(filepath.Join(dev, name))
		if err != nil {
			t.Error(err)
			continue
		}
		var status unix.Stat_t
		if err := unix.Stat(filepath.Join(dev, name), &status); err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want.mode || status.Rdev != want.device {
			t.Errorf("%s is %s %d:%d", name, info.Mode(), unix.Major(status.Rdev), unix.Minor(status.Rdev))
		}
	}
}

func TestMakeDevicesSaysWhatIsWrong(t *testing.T) {
	dev := t.TempDir()
	err := MakeDevices(dev, strings.NewReader("tun net/tun\nescape ../x c1:3\nfuse fuse c10:229\n"))
	if err == nil || !strings.Contains(err.Error(), `"tun net/tun"`) || !strings.Contains(err.Error(), `"escape ../x c1:3" is not below`) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(filepath.Join(dev, "fuse")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(dev), "x")); err == nil {
		t.Error("a device was made outside")
	}
}
