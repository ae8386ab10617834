package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// mount is one call of mount(2), after its target and the directories in needs have been made.
type mount struct {
	source, target, fstype string
	flags                  uintptr
	data                   string
	needs                  []string
}

const (
	stateDir   = "/var"
	runtimeDir = "/run"
	overlayDir = "/run/slipway" // writable parts of overlays which do not outlive the guest
)

const noExec = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC

// kernelMounts are the file systems of the kernel and of memory; devtmpfs, proc and sysfs came with the initramfs.
func kernelMounts() []mount {
	return []mount{
		{source: "tmpfs", target: runtimeDir, fstype: "tmpfs", flags: unix.MS_NOSUID | unix.MS_NODEV, data: "mode=755"},
		{source: "tmpfs", target: "/tmp", fstype: "tmpfs", flags: unix.MS_NOSUID | unix.MS_NODEV, data: "mode=1777"},
		{source: "devpts", target: "/dev/pts", fstype: "devpts", flags: unix.MS_NOSUID | unix.MS_NOEXEC, data: "mode=620,ptmxmode=666"},
		{source: "shm", target: "/dev/shm", fstype: "tmpfs", flags: unix.MS_NOSUID | unix.MS_NODEV, data: "mode=1777"},
		{source: "mqueue", target: "/dev/mqueue", fstype: "mqueue", flags: noExec},
		{source: "cgroup2", target: "/sys/fs/cgroup", fstype: "cgroup2", flags: noExec, data: "nsdelegate,memory_recursiveprot"},
		{source: "securityfs", target: "/sys/kernel/security", fstype: "securityfs", flags: noExec},
		{source: "bpf", target: "/sys/fs/bpf", fstype: "bpf", flags: noExec, data: "mode=700"},
	}
}

// stateMounts put the machine's state on the state disk; without one, which only suits a trial, it is kept in memory.
// Not writing the inode tables at all is as good as writing them lazily, as the disk's life ends with the machine's. For
// the same reason there are no barriers: what the guest has written survives its own crash without them, and the disk does
// not survive one of its management node. Every commit of containerd's databases would wait for them.
func stateMounts(device string) []mount {
	state := mount{source: device, target: stateDir, fstype: "ext4", flags: unix.MS_NOATIME, data: "noinit_itable,barrier=0,errors=panic"}
	if device == "" {
		state = mount{source: "tmpfs", target: stateDir, fstype: "tmpfs", flags: unix.MS_NOSUID | unix.MS_NODEV, data: "mode=755"}
	}
	return []mount{state, overlay("/opt", "/var/lib/slipway")}
}

// overlay makes a directory of the read-only root writable; what is written is kept below writable.
func overlay(target, writable string) mount {
	name := strings.ReplaceAll(strings.TrimPrefix(target, "/"), "/", "-")
	upper, work := filepath.Join(writable, name, "upper"), filepath.Join(writable, name, "work")
	return mount{
		source: "overlay", target: target, fstype: "overlay",
		data:  fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", target, upper, work),
		needs: []string{upper, work},
	}
}

func mountAll(mounts []mount) error {
	var failed []error
	for _, m := range mounts {
		for _, dir := range append(m.needs, m.target) {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				failed = append(failed, err)
			}
		}
		if err := unix.Mount(m.source, m.target, m.fstype, m.flags, m.data); err != nil {
			failed = append(failed, fmt.Errorf("mount %s on %s: %w", m.source, m.target, err))
		}
	}
	return errors.Join(failed...)
}

const cgroupRoot = "/sys/fs/cgroup"

// delegateControllers lets every controller of the kernel be used below the root cgroup and the services' cgroup.
func delegateControllers(services string) error {
	controllers, err := os.ReadFile(filepath.Join(cgroupRoot, "cgroup.controllers"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(services, 0o755); err != nil {
		return err
	}
	var enable strings.Builder
	for _, c := range strings.Fields(string(controllers)) {
		fmt.Fprintf(&enable, "+%s ", c)
	}
	for _, group := range []string{cgroupRoot, services} {
		if err := os.WriteFile(filepath.Join(group, "cgroup.subtree_control"), []byte(enable.String()), 0o644); err != nil {
			return fmt.Errorf("delegate cgroup controllers: %w", err)
		}
	}
	return nil
}
