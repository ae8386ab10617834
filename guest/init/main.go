// The init program is PID 1 of a worker: it mounts, takes cloud-init data, configures the network, keeps containerd,
// kubelet and kube-proxy running, and powers the machine off in order. What it does goes to the console, one line each
// with the seconds since the kernel started, and to /var/log like what the services say.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"

	"slipway.dev/guest/contract"
	"slipway.dev/guest/kernel"
	"slipway.dev/guest/supervise"
)

type machine struct {
	reaper     *supervise.Reaper
	supervisor *supervise.Supervisor
	background sync.WaitGroup
	journal    journal
}

func (m *machine) report(format string, args ...any) { kernel.Console(&m.journal, format, args...) }

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "init: this is PID 1 of a Slipway guest and runs as nothing else")
		os.Exit(2)
	}
	m := &machine{reaper: supervise.NewReaper(context.Background()), journal: journal{console: os.Stdout}}
	m.supervisor = &supervise.Supervisor{Reaper: m.reaper, LogDir: contract.LogDir, Cgroup: servicesCgroup, Report: m.report}

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, unix.SIGTERM, unix.SIGINT, unix.SIGPWR)
	m.report("root mounted")
	if err := basics(); err != nil {
		m.report("%v", err)
	}
	pods, stopPods := context.WithCancel(context.Background())
	runtime, stopRuntime := context.WithCancel(context.Background())
	m.background.Go(func() { m.start(pods, runtime, stop) })

	reason := <-stop
	m.report("stopping")
	m.powerOff(reason, stopPods, stopRuntime)
}

// basics is what everything else needs, and quick.
func basics() error {
	if err := unix.Mount("", "/", "", unix.MS_SHARED|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("share mounts: %w", err)
	}
	if err := mountAll(kernelMounts()); err != nil {
		return err
	}
	// Ctrl-Alt-Del becomes SIGINT for us in place of a reboot at once.
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_CAD_OFF); err != nil {
		return fmt.Errorf("take over Ctrl-Alt-Del: %w", err)
	}
	if err := mountAll([]mount{overlay("/etc", overlayDir)}); err != nil {
		return err
	}
	if err := kernel.UseTwoListsOfPages("/sys/kernel/mm"); err != nil {
		return err
	}
	if err := raiseLimits(); err != nil {
		return err
	}
	return delegateControllers(servicesCgroup)
}

// raiseLimits gives the services, and with them pods, what containerd's own systemd unit gives it. The kernel's
// 4,096 open files are too few for a database.
func raiseLimits() error {
	const openFiles = 1 << 20 // fs.nr_open allows no more
	for resource, limit := range map[int]uint64{
		unix.RLIMIT_NOFILE: openFiles, unix.RLIMIT_NPROC: unix.RLIM_INFINITY, unix.RLIMIT_CORE: unix.RLIM_INFINITY,
	} {
		if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
			return fmt.Errorf("raise limit %d: %w", resource, err)
		}
	}
	return nil
}

// start brings the machine up. What does not need each other runs at the same time: containerd needs only the disk, the
// kubelet the disk, cloud-init data and the network. A new kubelet needs containerd too, but not before it has asked for
// its certificate, and by then containerd is there; should it not be, the kubelet ends and is started again. pods ends
// before runtime does.
func (m *machine) start(pods, runtime context.Context, stop chan<- os.Signal) {
	stateMounted := make(chan struct{})
	m.loadModules("early.order")
	// Only now: while drivers set up devices, a second emulated processor can hang (ADR 6).
	if err := kernel.OnlineCPUs("/sys/devices/system/cpu"); err != nil {
		m.report("%v", err)
	}
	go m.watchPowerButton(stop) // outlives us: a read of an input device cannot be interrupted
	m.background.Go(func() {
		if err := m.prepareState(runtime); err != nil {
			m.report("state: %v", err)
			return
		}
		if err := m.journal.keep(contract.InitLog); err != nil {
			m.report("%v", err)
		}
		m.report("state mounted")
		close(stateMounted)
		m.runContainerd(runtime)
	})
	if err := m.applyCloudInit(pods); err != nil {
		m.report("%v", err)
		return
	}
	select {
	case <-stateMounted:
		m.runNode(pods)
	case <-pods.Done():
	}
}
