package launch

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"slipway.dev/sandbox/cgroup"
	"slipway.dev/sandbox/machine"
	"slipway.dev/sandbox/netns"
	"slipway.dev/sandbox/supervise"
)

const subcommand = "machine"

// TestMain lets the test's own program be the first process of a machine, as
// the sandbox's is.
func TestMain(m *testing.M) {
	if len(os.Args) == 6 && os.Args[1] == subcommand {
		if err := firstProcess(os.Args[3], os.Args[5]); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func firstProcess(specPath, group string) error {
	if err := cgroup.Join(group); err != nil {
		return err
	}
	spec, err := supervise.ReadSpec(specPath)
	if err != nil {
		return err
	}
	return supervise.Run(context.Background(), spec)
}

// aMachine is one whose services run shell scripts.
func aMachine(t *testing.T, scripts map[string]string) machine.Machine {
	t.Helper()
	name := fmt.Sprintf("slipway.launch-%d.0", os.Getpid())
	if err := netns.Create(name); err != nil {
		t.Fatal(err)
	}
	if err := cgroup.Create(name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cgroup.Remove(context.Background(), name); err != nil {
			t.Error(err)
		}
		if err := netns.Delete(name); err != nil {
			t.Error(err)
		}
	})
	m := machine.Machine{
		Namespace: name,
		Cgroup:    name,
		Files:     machine.Files{},
		Spec: supervise.Spec{
			Hostname: "machine-under-test",
			Root:     t.TempDir(),
			Pinned:   map[string]string{"kernel/panic": "77"},
			Sysctls:  map[string]string{"net/ipv4/ip_forward": "1"},
			Logs:     "/var/log",
		},
	}
	for service, script := range scripts {
		path := "/opt/" + service
		m.Files[path] = machine.File{Content: []byte("#!/bin/sh\n" + script), Mode: 0o755}
		m.Spec.Services = append(m.Spec.Services, supervise.Service{Name: service, Command: []string{path}})
	}
	if err := m.Files.Write(m.Spec.Root); err != nil {
		t.Fatal(err)
	}
	return m
}

func run(t *testing.T, m machine.Machine) Launched {
	t.Helper()
	folder := t.TempDir()
	launched, err := Machine(m, filepath.Join(folder, "spec.json"), filepath.Join(folder, "log"), subcommand)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := launched.Kill(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return launched
}

// read waits until a service of the machine has written to the named pipe.
func read(t *testing.T, pipe string) string {
	t.Helper()
	file, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := file.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 4096)
	n, err := file.Read(buffer)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(buffer[:n]))
}

// pipe makes the named pipe /pipe in the machine.
func pipe(t *testing.T, m machine.Machine) string {
	t.Helper()
	path := filepath.Join(m.Spec.Root, "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMachineIsOnItsOwn(t *testing.T) {
	before, err := os.ReadFile("/proc/sys/kernel/panic")
	if err != nil {
		t.Fatal(err)
	}
	m := aMachine(t, map[string]string{"report": `
{
	hostname
	cat /proc/sys/kernel/panic /proc/sys/net/ipv4/ip_forward
	echo 5 > /proc/sys/kernel/panic
	ls /home /work /root 2> /dev/null
	touch /usr/written 2> /dev/null && echo "the host's programs can be changed"
	ls /sys/class/net
} | tr '\n' ' ' > /pipe
exec cat
`})
	p := pipe(t, m)
	run(t, m)
	if got, want := read(t, p), "machine-under-test 77 1 lo"; got != want {
		t.Errorf("the machine reports %q, not %q", got, want)
	}
	after, err := os.ReadFile("/proc/sys/kernel/panic")
	if err != nil {
		t.Fatal(err)
	}
	if string(before) != string(after) {
		t.Errorf("a machine changed the host's kernel.panic from %s to %s", before, after)
	}
	if _, err := os.Stat("/usr/written"); err == nil {
		t.Error("a machine wrote to the host's /usr")
	}
}

func TestServiceStartsAgain(t *testing.T) {
	m := aMachine(t, map[string]string{"short": "echo $(wc -l < /starts) > /pipe; echo >> /starts\n"})
	if err := (machine.Files{"/starts": machine.Text("")}).Write(m.Spec.Root); err != nil {
		t.Fatal(err)
	}
	p := pipe(t, m)
	run(t, m)
	for want := range 3 {
		if got := read(t, p); got != fmt.Sprint(want) {
			t.Errorf("start %d reports %q", want, got)
		}
	}
}

func TestKillEndsEverything(t *testing.T) {
	m := aMachine(t, map[string]string{"parent": "cat & setsid cat & echo started > /pipe; exec cat\n"})
	p := pipe(t, m)
	launched := run(t, m)
	read(t, p)
	if err := launched.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-launched.Ended
	if err := cgroup.Remove(t.Context(), m.Cgroup); err != nil {
		t.Error(err)
	}
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(table), m.Spec.Root) {
		t.Error("a mount of the machine is left on the host")
	}
}
