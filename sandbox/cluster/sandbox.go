// Package cluster brings a whole sandbox up and takes it down again.
package cluster

import (
	"context"
	"io"
	"path/filepath"

	"slipway.dev/sandbox/build"
	"slipway.dev/sandbox/credentials"
	"slipway.dev/sandbox/layout"
	"slipway.dev/sandbox/machine"
	"slipway.dev/sandbox/state"
)

const (
	// MachineCommand is the subcommand that becomes a machine's first process.
	MachineCommand = "machine"
	// ForwardCommand is the subcommand that serves the loopback address.
	ForwardCommand = "forward"

	forwarder = "forward"
)

// components are those of build.Components that run on the machines themselves.
var components = []string{"cni-plugins", "containerd", "kubernetes", "multus", "registry", "runc"}

// Options says which sandbox is wanted.
type Options struct {
	// Name tells sandboxes on the same machine apart.
	Name string
	// Nodes is the number of management nodes.
	Nodes int
	// DataDir keeps kubeconfig, logs and the machines' root folders.
	DataDir string
	// Addons are the names of the add-ons to install; all when empty.
	Addons []string
	// Log gets one line for each thing done.
	Log io.Writer
}

// sandbox is one sandbox while it is being brought up.
type sandbox struct {
	Options
	layout      layout.Layout
	builder     *build.Builder
	entry       *state.Entry
	state       *state.State
	programs    machine.Programs
	credentials credentials.Set
	progress    *progress
}

func open(o Options) (*sandbox, error) {
	dataDir, err := filepath.Abs(o.DataDir)
	if err != nil {
		return nil, err
	}
	o.DataDir = dataDir
	p, err := layout.New(o.Name, o.Nodes)
	if err != nil {
		return nil, err
	}
	builder, err := build.New(nil)
	if err != nil {
		return nil, err
	}
	entry, err := state.Lock(o.Name)
	if err != nil {
		return nil, err
	}
	return &sandbox{Options: o, layout: p, builder: builder, entry: entry, progress: newProgress(o.Log)}, nil
}

// findPrograms builds the machines' programs, if they are not in the cache.
func (s *sandbox) findPrograms(ctx context.Context) error {
	s.programs = machine.Programs{}
	for _, name := range components {
		folder, err := s.builder.Binaries(ctx, name)
		if err != nil {
			return err
		}
		s.programs[name] = folder
	}
	return nil
}

// running tells whether the sandbox that is recorded is the one that is wanted, whole and alive.
func (s *sandbox) running(recorded *state.State) bool {
	return recorded != nil && recorded.Nodes == s.Nodes && recorded.DataDir == s.DataDir &&
		recorded.Programs == s.programs.Identity() &&
		len(recorded.Processes) == len(s.layout.Nodes)+2 && recorded.AllAlive()
}

func (s *sandbox) save() error { return s.entry.Save(s.state) }

// The files of a sandbox's data folder.
func (o Options) credentialsFile() string      { return filepath.Join(o.DataDir, "credentials.json") }
func (o Options) kubeconfigFile() string       { return filepath.Join(o.DataDir, "kubeconfig") }
func (o Options) root(machine string) string   { return filepath.Join(o.DataDir, "machines", machine) }
func (o Options) log(process string) string    { return filepath.Join(o.DataDir, "log", process+".log") }
func (s *sandbox) specFile(name string) string { return s.entry.Path(name + ".json") }

// Kubeconfig returns the path of the sandbox's kubeconfig for the host.
func (o Options) Kubeconfig() string { return o.kubeconfigFile() }
