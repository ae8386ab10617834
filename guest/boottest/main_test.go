// Package boottest boots the guest image in QEMU, under plain emulation as in the sandbox, and joins it to a real control
// plane: etcd, kube-apiserver and kube-controller-manager from the cache.
//
// The tests run as root in network, PID and mount namespaces of their own, so that nothing outlives them and nothing
// reaches the host's network.
package boottest

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const inNamespaces = "SLIPWAY_BOOTTEST_NAMESPACES"

func TestMain(m *testing.M) {
	if os.Getenv(inNamespaces) == "" {
		os.Exit(again())
	}
	// /proc has to show the processes of the new PID namespace.
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		fmt.Fprintln(os.Stderr, "mount /proc:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// again runs this program once more, in namespaces that end with it.
func again() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inNamespaces+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWPID | syscall.CLONE_NEWNET,
		Unshareflags: syscall.CLONE_NEWNS,
		Pdeathsig:    syscall.SIGKILL,
	}
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
