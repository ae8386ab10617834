package boottest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"slipway.dev/guest/contract"
	"slipway.dev/guest/image"
	"slipway.dev/guest/kernel"
)

const machineUUID = "8b52f5d4-9c5a-5ae6-9c55-d1ab1f1f3d12"

// guest is a running QEMU.
type guest struct {
	t       *testing.T
	started time.Time
	pid     int
	socket  string // QMP
	ended   chan error
	kill    func() error

	mu    sync.Mutex
	lines []string
	more  chan struct{} // closed and replaced with every line
}

// stateDisk makes a blank one.
func stateDisk(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.img")
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, 10<<30)); err != nil {
		t.Fatal(err)
	}
	return path
}

// boot starts a guest with its state disk and its cloud-init disk, as KubeVirt would.
func boot(ctx context.Context, t *testing.T, made image.Result, state, cidata string) *guest {
	t.Helper()
	g := &guest{t: t, socket: filepath.Join(t.TempDir(), "qmp"), ended: make(chan error, 1), more: make(chan struct{})}
	disk := func(id, file, options string) []string {
		return []string{
			"-drive", fmt.Sprintf("file=%s,if=none,id=%s,format=raw,%s", file, id, options),
			"-device", fmt.Sprintf("virtio-blk-pci,drive=%s,serial=%s", id, id),
		}
	}
	args := []string{
		"-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "2048", "-uuid", machineUUID,
		"-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-qmp", "unix:" + g.socket + ",server,nowait",
		"-kernel", made.Kernel, "-initrd", made.Initrd, "-append", contract.KernelArgs + " " + contract.EmulationKernelArgs,
		"-netdev", "tap,id=fabric,ifname=" + tapName + ",script=no,downscript=no", "-device", "virtio-net-pci,netdev=fabric,mac=" + guestMAC,
	}
	args = append(args, disk(contract.RootDiskSerial, made.Root, "readonly=on")...)
	args = append(args, disk(contract.StateDiskSerial, state, "discard=unmap")...)
	args = append(args, disk("cloudinit", cidata, "readonly=on")...)

	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	console, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	g.started = time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	g.pid = cmd.Process.Pid
	go func() {
		g.read(console)
		g.ended <- cmd.Wait()
	}()
	g.kill = cmd.Process.Kill
	t.Cleanup(func() { _ = g.kill() })
	return g
}

// crash is what a guest sees of a power failure.
func (g *guest) crash() {
	g.t.Helper()
	if err := g.kill(); err != nil {
		g.t.Fatal(err)
	}
	if err := <-g.ended; err == nil {
		g.t.Error("QEMU had ended by itself")
	}
}

func (g *guest) read(console io.Reader) {
	for lines := bufio.NewScanner(console); lines.Scan(); {
		line := strings.TrimRight(lines.Text(), "\r")
		fmt.Printf("%6.1fs cpu %5.1fs  %s\n", time.Since(g.started).Seconds(), cpuSeconds(g.pid), line)
		g.mu.Lock()
		g.lines = append(g.lines, line)
		close(g.more)
		g.more = make(chan struct{})
		g.mu.Unlock()
	}
}

// await returns when the console has shown a line with that text.
func (g *guest) await(ctx context.Context, text string) {
	g.t.Helper()
	for seen := 0; ; {
		g.mu.Lock()
		lines, more := g.lines[seen:], g.more
		seen = len(g.lines)
		g.mu.Unlock()
		for _, l := range lines {
			if strings.Contains(l, text) {
				return
			}
		}
		select {
		case <-more:
		case <-ctx.Done():
			g.t.Fatalf("console never said %q", text)
		}
	}
}

// command gives QEMU a command without arguments.
func (g *guest) command(ctx context.Context, name string) {
	g.t.Helper()
	if err := kernel.AwaitFile(ctx, g.socket); err != nil {
		g.t.Fatal(err)
	}
	connection, err := (&net.Dialer{}).DialContext(ctx, "unix", g.socket)
	if err != nil {
		g.t.Fatalf("connect to QEMU: %v", err)
	}
	defer connection.Close()
	replies := json.NewDecoder(connection)
	var greeting map[string]any
	if err := replies.Decode(&greeting); err != nil {
		g.t.Fatalf("QEMU's greeting: %v", err)
	}
	for _, execute := range []string{"qmp_capabilities", name} {
		if _, err := fmt.Fprintf(connection, `{"execute":%q}`, execute); err != nil {
			g.t.Fatal(err)
		}
		var reply map[string]any
		if err := replies.Decode(&reply); err != nil || reply["error"] != nil {
			g.t.Fatalf("QEMU's answer to %s: %v %v", execute, reply, err)
		}
	}
}

// cpuSeconds is how long a process has computed; unlike the time that has passed it says something on a busy machine.
func cpuSeconds(pid int) float64 {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, fields, _ := strings.Cut(string(stat), ") ") // from field 3 on; 14 and 15 are user and system time
	columns := strings.Fields(fields)
	var user, system float64
	if _, err := fmt.Sscan(columns[11]+" "+columns[12], &user, &system); err != nil {
		return 0
	}
	const ticks = 100 // per second, in every Linux on amd64
	return (user + system) / ticks
}
