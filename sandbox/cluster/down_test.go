package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway.dev/sandbox/cgroup"
	"slipway.dev/sandbox/layout"
	"slipway.dev/sandbox/netns"
	"slipway.dev/sandbox/state"
)

// debris makes what a killed run would leave: a record, a process that it
// names, another that it does not, cgroups, namespaces and data.
func debris(t *testing.T, o Options) (recorded, unrecorded *exec.Cmd) {
	t.Helper()
	p, err := layout.New(o.Name, o.Nodes)
	if err != nil {
		t.Fatal(err)
	}
	entry, err := state.Lock(o.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer entry.Close()
	for _, name := range p.Namespaces() {
		if err := netns.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := cgroup.Create(p.HubCgroup()); err != nil {
		t.Fatal(err)
	}
	recorded, unrecorded = cat(t), cat(t)
	process, err := state.Observe(forwarder, recorded.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := cgroup.Add(p.HubCgroup(), unrecorded.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(o.DataDir, "machines", "hub"), 0o755); err != nil {
		t.Fatal(err)
	}
	s := &state.State{Name: o.Name, Nodes: o.Nodes, DataDir: o.DataDir}
	s.Add(process)
	if err := entry.Save(s); err != nil {
		t.Fatal(err)
	}
	return recorded, unrecorded
}

// cat starts a process that waits for ever.
func cat(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("cat")
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd
}

func TestDownLeavesNothing(t *testing.T) {
	o := Options{Name: fmt.Sprintf("down-%d", os.Getpid()), Nodes: 2, DataDir: filepath.Join(t.TempDir(), "data")}
	bystander := cat(t)
	recorded, unrecorded := debris(t, o)
	found, err := Leftovers(o)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"record of sandbox " + o.Name,
		"cgroup slipway." + o.Name + ".hub",
		"network namespace slipway." + o.Name + ".0",
		"network namespace slipway." + o.Name + ".1",
		"network namespace slipway." + o.Name + ".hub",
		"data " + filepath.Join(o.DataDir, "machines"),
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("before (-want +got):\n%s", diff)
	}
	// The killed processes have to be collected, or the cgroup keeps them.
	for _, cmd := range []*exec.Cmd{recorded, unrecorded} {
		go func() { _ = cmd.Wait() }()
	}
	for range 2 {
		if err := Down(t.Context(), Options{Name: o.Name}, false); err != nil {
			t.Fatal(err)
		}
	}
	if found, err := Leftovers(o); err != nil || len(found) > 0 {
		t.Errorf("after: %v, %v", found, err)
	}
	if _, err := os.Stat(o.DataDir); !os.IsNotExist(err) {
		t.Errorf("the data folder: %v", err)
	}
	if p, err := state.Observe("bystander", bystander.Process.Pid); err != nil || !p.Alive() {
		t.Errorf("a process that is none of the sandbox's has ended: %v", err)
	}
}

func TestForeignFilesStay(t *testing.T) {
	o := Options{Name: fmt.Sprintf("keep-%d", os.Getpid()), Nodes: 1, DataDir: t.TempDir()}
	notes := filepath.Join(o.DataDir, "notes.txt")
	if err := os.WriteFile(notes, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Down(t.Context(), o, false); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(notes); err != nil {
		t.Error(err)
	}
}
