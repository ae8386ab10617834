package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestStateMounts(t *testing.T) {
	opt := mount{
		source: "overlay", target: "/opt", fstype: "overlay",
		data:  "lowerdir=/opt,upperdir=/var/lib/slipway/opt/upper,workdir=/var/lib/slipway/opt/work",
		needs: []string{"/var/lib/slipway/opt/upper", "/var/lib/slipway/opt/work"},
	}
	tests := map[string]struct {
		device string
		want   []mount
	}{
		"disk": {"/dev/vdb", []mount{
			{source: "/dev/vdb", target: "/var", fstype: "ext4", flags: unix.MS_NOATIME, data: "noinit_itable,barrier=0,errors=panic"}, opt,
		}},
		"memory": {"", []mount{
			{source: "tmpfs", target: "/var", fstype: "tmpfs", flags: unix.MS_NOSUID | unix.MS_NODEV, data: "mode=755"}, opt,
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, stateMounts(test.device), cmp.AllowUnexported(mount{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// A directory is mounted before what lies below it.
func TestKernelMountsOrder(t *testing.T) {
	position := map[string]int{}
	for i, m := range kernelMounts() {
		position[m.target] = i
	}
	if len(position) != len(kernelMounts()) {
		t.Errorf("a target occurs twice: %v", kernelMounts())
	}
	if want := overlay("/etc", overlayDir).needs[0]; want != "/run/slipway/etc/upper" {
		t.Errorf("/etc is written to %s, which is not on %s", want, runtimeDir)
	}
}
