package cluster

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"

	"golang.org/x/sync/errgroup"

	"slipway.dev/sandbox/addons"
	"slipway.dev/sandbox/build"
	"slipway.dev/sandbox/cgroup"
	"slipway.dev/sandbox/controlplane"
	"slipway.dev/sandbox/credentials"
	"slipway.dev/sandbox/hub"
	"slipway.dev/sandbox/launch"
	"slipway.dev/sandbox/layout"
	"slipway.dev/sandbox/machine"
	"slipway.dev/sandbox/netns"
	"slipway.dev/sandbox/node"
	"slipway.dev/sandbox/registry"
	"slipway.dev/sandbox/state"
	"slipway.dev/sandbox/wiring"
)

// Up brings the sandbox up, or completes what is there. It returns when every
// add-on works, and leaves everything running.
func Up(ctx context.Context, o Options) error {
	s, err := open(o)
	if err != nil {
		return err
	}
	defer s.entry.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	images, err := s.prepare(ctx)
	if err != nil {
		return err
	}
	recorded, err := s.entry.Load()
	if err != nil {
		return err
	}
	if s.running(recorded) {
		s.state = recorded
		err = s.progress.step("images", func() error { return s.push(ctx, images) })
	} else {
		err = s.start(ctx, cancel, images)
	}
	if err != nil {
		return err
	}
	return s.complete(ctx)
}

// prepare builds what is missing and loads what is kept.
func (s *sandbox) prepare(ctx context.Context) (images []build.Image, err error) {
	err = s.progress.step("programs and images are built", func() error {
		if err := s.findPrograms(ctx); err != nil {
			return err
		}
		images, err = s.builder.Images(ctx, s.images()...)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.credentials, err = credentials.Load(s.credentialsFile())
	return images, err
}

// images names the images of the control plane, of the add-ons and of workloads that tests use.
func (s *sandbox) images() []string {
	names := []string{"pause", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "agnhost"}
	return append(names, addons.Images(s.Addons)...)
}

func (s *sandbox) push(ctx context.Context, images []build.Image) error {
	return build.Push(ctx, registry.Connect(s.layout, s.credentials), images...)
}

// start clears away what an earlier run left and starts every machine.
func (s *sandbox) start(ctx context.Context, cancel context.CancelCauseFunc, images []build.Image) error {
	if err := clear(ctx, s.Name); err != nil {
		return err
	}
	s.state = &state.State{Name: s.Name, Nodes: s.Nodes, DataDir: s.DataDir, Programs: s.programs.Identity()}
	if err := s.save(); err != nil {
		return err
	}
	if err := s.progress.step("network", s.network); err != nil {
		return err
	}
	if err := s.startForwarder(cancel); err != nil {
		return err
	}
	if err := s.startHub(cancel); err != nil {
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return s.progress.step("registry has the images", func() error {
			if err := registry.Wait(groupCtx, registry.Connect(s.layout, s.credentials)); err != nil {
				return err
			}
			return s.push(groupCtx, images)
		})
	})
	var nodes []machine.Machine
	group.Go(func() (err error) {
		return s.progress.step("nodes are configured", func() (err error) {
			nodes, err = s.configureNodes(groupCtx)
			return err
		})
	})
	if err := group.Wait(); err != nil {
		return err
	}
	for _, m := range nodes {
		if err := s.launch(m, cancel); err != nil {
			return err
		}
	}
	return nil
}

func (s *sandbox) network() error {
	for _, name := range s.layout.Namespaces() {
		if err := netns.Create(name); err != nil {
			return err
		}
	}
	if err := cgroup.Create(s.layout.HubCgroup()); err != nil {
		return err
	}
	for _, n := range s.layout.Nodes {
		if err := cgroup.Create(n.Cgroup); err != nil {
			return err
		}
	}
	return wiring.Connect(s.layout)
}

// startForwarder returns when the forwarder has told its address.
func (s *sandbox) startForwarder(cancel context.CancelCauseFunc) error {
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	defer reader.Close()
	l, err := launch.Background(forwarder, s.log(forwarder), []*os.File{writer},
		ForwardCommand, "--name", s.Name, "--address-to", "3")
	_ = writer.Close()
	if err != nil {
		return err
	}
	address, err := io.ReadAll(reader)
	if err != nil {
		return err
	}
	if s.state.Loopback, err = netip.ParseAddr(strings.TrimSpace(string(address))); err != nil {
		return fmt.Errorf("the forwarder did not start: see %s", l.Log)
	}
	return s.record(l, cancel)
}

// record keeps a process for a later Down, and gives up if it ends.
func (s *sandbox) record(l launch.Launched, cancel context.CancelCauseFunc) error {
	s.state.Add(l.Process)
	go func() {
		<-l.Ended
		cancel(fmt.Errorf("%s ended: see %s", l.Name, l.Log))
	}()
	return s.save()
}

func (s *sandbox) startHub(cancel context.CancelCauseFunc) error {
	m, err := hub.Machine(hub.Config{
		Layout:      s.layout,
		Credentials: s.credentials,
		Root:        s.root(hub.Name),
		Programs:    machine.Programs{"registry": s.programs["registry"]},
		Loopback:    s.state.Loopback,
	})
	if err != nil {
		return err
	}
	if err := m.Files.Write(m.Spec.Root); err != nil {
		return err
	}
	return s.launch(m, cancel)
}

func (s *sandbox) launch(m machine.Machine, cancel context.CancelCauseFunc) error {
	name := m.Spec.Hostname
	l, err := launch.Machine(m, s.specFile(name), s.log(name), MachineCommand)
	if err != nil {
		return err
	}
	return s.record(l, cancel)
}

// configureNodes writes the nodes' files and has kubeadm write the control plane's.
func (s *sandbox) configureNodes(ctx context.Context) ([]machine.Machine, error) {
	version, err := s.builder.Version("kubernetes")
	if err != nil {
		return nil, err
	}
	etcdVersion, err := s.builder.Version("etcd")
	if err != nil {
		return nil, err
	}
	var nodes []machine.Machine
	for _, n := range s.layout.Nodes {
		m := node.Machine(node.Config{
			Layout: s.layout, Node: n, Credentials: s.credentials, Root: s.root(n.Name),
			Programs: s.programs, PauseImage: layout.Image("pause", version),
		})
		if n.Index == 0 {
			m.Files.Add(controlplane.Files(controlplane.Config{
				Layout: s.layout, Version: version, EtcdVersion: etcdVersion, Loopback: s.state.Loopback,
			}))
		}
		if err := m.Files.Write(m.Spec.Root); err != nil {
			return nil, err
		}
		nodes = append(nodes, m)
	}
	kubeadm := s.programs.Path("kubernetes", "kubeadm")
	first := s.root(s.layout.ControlPlane().Name)
	if err := controlplane.Generate(ctx, kubeadm, first); err != nil {
		return nil, err
	}
	for _, n := range s.layout.Nodes {
		files, err := controlplane.NodeFiles(ctx, kubeadm, first, n, node.MultusKubeconfig, node.MultusGroup)
		if err != nil {
			return nil, err
		}
		if err := files.Write(s.root(n.Name)); err != nil {
			return nil, err
		}
	}
	return nodes, s.writeKubeconfig()
}

func (s *sandbox) writeKubeconfig() error {
	data, err := controlplane.HostKubeconfig(s.root(s.layout.ControlPlane().Name), s.layout, s.state.Loopback)
	if err != nil {
		return err
	}
	return os.WriteFile(s.kubeconfigFile(), data, 0o600)
}

// complete waits for the API server and the nodes, and installs the add-ons.
func (s *sandbox) complete(ctx context.Context) error {
	installer, err := addons.New(s.kubeconfigFile(), s.builder, addons.Values{Layout: s.layout, Credentials: s.credentials})
	if err != nil {
		return err
	}
	if err := s.progress.step("API server", func() error { return installer.WaitForAPI(ctx) }); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return s.progress.step("nodes are ready", func() error {
			if err := installer.WaitForNodes(ctx); err != nil {
				return err
			}
			return installer.MarkControlPlane(ctx)
		})
	})
	for _, a := range addons.Selected(s.Addons) {
		group.Go(func() error {
			return s.progress.step(a.Name, func() error { return installer.Install(ctx, a) })
		})
	}
	return group.Wait()
}
