package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"slipway.dev/guest/contract"
)

const podsCgroup = cgroupRoot + "/kubepods"

// powerOff stops the kubelet, so that nothing new starts, then pods, then containerd, and then the machine.
func (m *machine) powerOff(reason os.Signal, stopPods, stopRuntime context.CancelFunc) {
	stopPods()
	grace, err := podGrace(contract.KubeletEnv)
	if err != nil {
		m.report("%v", err)
	}
	if err := endPods(podsCgroup, grace); err != nil {
		m.report("stop pods: %v", err)
	}
	m.report("pods stopped")
	stopRuntime()
	m.background.Wait()
	if err := m.journal.end(); err != nil {
		m.report("%v", err)
	}
	unix.Sync()
	// A lazy unmount would leave the journal dirty; what is busy still is remounted read-only.
	if err := unix.Unmount(stateDir, 0); err != nil {
		_ = unix.Mount("", stateDir, "", unix.MS_REMOUNT|unix.MS_RDONLY, "")
	}
	command := unix.LINUX_REBOOT_CMD_POWER_OFF
	if reason == unix.SIGINT {
		command = unix.LINUX_REBOOT_CMD_RESTART
	}
	m.report("power off")
	if err := unix.Reboot(command); err != nil {
		m.report("power off: %v", err)
	}
}

// podGrace is how long pods have to end after SIGTERM.
func podGrace(env string) (time.Duration, error) {
	const fallback = contract.DefaultShutdownGracePeriodSeconds * time.Second
	variables, err := kubeletVariables(env)
	if err != nil || variables[contract.ShutdownGracePeriod] == "" {
		return fallback, err
	}
	seconds, err := strconv.ParseUint(variables[contract.ShutdownGracePeriod], 10, 16)
	if err != nil {
		return fallback, fmt.Errorf("%s: %s: %w", env, contract.ShutdownGracePeriod, err)
	}
	return time.Duration(seconds) * time.Second, nil
}

// endPods asks every process in the cgroup to end, waits until it is empty, and kills what is left after grace.
func endPods(cgroup string, grace time.Duration) error {
	processes, err := processesOf(cgroup)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, pid := range processes {
		if err := unix.Kill(pid, unix.SIGTERM); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if awaitEmpty(ctx, cgroup) == nil {
		return nil
	}
	return os.WriteFile(filepath.Join(cgroup, "cgroup.kill"), []byte("1"), 0o644)
}

func processesOf(cgroup string) ([]int, error) {
	var pids []int
	err := filepath.WalkDir(cgroup, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		list, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		if err != nil {
			return err
		}
		for _, field := range strings.Fields(string(list)) {
			if pid, ok := parsePID(field); ok {
				pids = append(pids, pid)
			}
		}
		return nil
	})
	return pids, err
}

func parsePID(s string) (int, bool) {
	pid := 0
	for _, digit := range s {
		if digit < '0' || digit > '9' {
			return 0, false
		}
		pid = pid*10 + int(digit-'0')
	}
	return pid, pid > 1
}

// awaitEmpty returns when the cgroup and all below it hold no process; the kernel says so by changing cgroup.events.
func awaitEmpty(ctx context.Context, cgroup string) error {
	path := filepath.Join(cgroup, "cgroup.events")
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return err
	}
	changes := os.NewFile(uintptr(fd), "inotify")
	defer changes.Close()
	if _, err := unix.InotifyAddWatch(fd, path, unix.IN_MODIFY); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { changes.Close() })()
	buffer := make([]byte, 4096)
	for {
		events, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.Contains(string(events), "populated 0") {
			return nil
		}
		if _, err := changes.Read(buffer); err != nil {
			return errors.Join(ctx.Err(), err)
		}
	}
}

// The kernel's struct input_event on 64-bit machines, and the two values of interest in it.
type inputEvent struct {
	Sec, Usec int64
	Type      uint16
	Code      uint16
	Value     int32
}

const (
	evKey    = 1
	keyPower = 116
)

// watchPowerButton turns the ACPI power button, which is how a hypervisor asks a guest to stop, into SIGPWR.
func (m *machine) watchPowerButton(stop chan<- os.Signal) {
	device, err := powerButton("/sys/class/input")
	if err != nil {
		m.report("power button: %v", err)
		return
	}
	events, err := os.Open(device)
	if err != nil {
		m.report("power button: %v", err)
		return
	}
	defer events.Close()
	for {
		var event inputEvent
		if err := binary.Read(events, binary.LittleEndian, &event); err != nil {
			m.report("power button: %v", err)
			return
		}
		if event.Type == evKey && event.Code == keyPower && event.Value == 1 {
			stop <- unix.SIGPWR
			return
		}
	}
}

func powerButton(class string) (string, error) {
	names, err := filepath.Glob(filepath.Join(class, "event*", "device", "name"))
	if err != nil {
		return "", err
	}
	for _, path := range names {
		if name, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(name)) == "Power Button" {
			return "/dev/input/" + filepath.Base(filepath.Dir(filepath.Dir(path))), nil
		}
	}
	return "", errors.New("there is none")
}
