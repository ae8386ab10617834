package state

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestProcess(t *testing.T) {
	cmd := exec.Command("/bin/cat")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := Observe("cat", cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	other := p
	other.Started++
	if err := other.Kill(t.Context()); err != nil {
		t.Errorf("killing a process that is another one now: %v", err)
	}
	if !p.Alive() || other.Alive() {
		t.Errorf("alive: %t, other: %t", p.Alive(), other.Alive())
	}
	if err := p.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(t.Context()); err != nil {
		t.Errorf("killing again: %v", err)
	}
	if p.Alive() {
		t.Error("alive after Kill")
	}
	_ = cmd.Wait()
}

func TestEntry(t *testing.T) {
	name := fmt.Sprintf("state-%d", os.Getpid())
	entry, err := Lock(name)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := entry.Load(); err != nil || s != nil {
		t.Fatalf("empty entry: %v, %v", s, err)
	}
	want := &State{Name: name, Nodes: 2, DataDir: "/data", Loopback: netip.MustParseAddr("127.77.1.1")}
	want.Add(Process{Name: "hub", PID: 1 << 30, Started: 7})
	if err := entry.Save(want); err != nil {
		t.Fatal(err)
	}
	got, err := Read(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
	if got.AllAlive() {
		t.Error("a process that never was is alive")
	}
	removed := make(chan error)
	go func() {
		next, err := Lock(name)
		if err == nil {
			err = next.Remove()
			_ = next.Close()
		}
		removed <- err
	}()
	if err := entry.Remove(); err != nil {
		t.Fatal(err)
	}
	if err := entry.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-removed; err != nil {
		t.Error(err)
	}
	if Exists(name) {
		t.Error("the entry is left")
	}
}
