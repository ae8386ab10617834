package cluster

import (
	"fmt"
	"net/netip"
	"path/filepath"

	"slipway.dev/sandbox/build"
	"slipway.dev/sandbox/controlplane"
	"slipway.dev/sandbox/credentials"
	"slipway.dev/sandbox/forward"
	"slipway.dev/sandbox/layout"
	"slipway.dev/sandbox/registry"
	"slipway.dev/sandbox/state"
)

// Recorded returns the state of a sandbox that is up.
func Recorded(name string) (*state.State, error) {
	s, err := state.Read(name)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, fmt.Errorf("there is no sandbox %q: start it with `sandbox up --name %s`", name, name)
	}
	return s, nil
}

// Targets lists what is reachable from the host.
func Targets(p layout.Layout) []forward.Target {
	targets := []forward.Target{
		{Port: layout.APIPort, To: netip.AddrPortFrom(p.ControlPlane().Address, layout.APIPort)},
		{Port: layout.DNSPort, To: netip.AddrPortFrom(layout.HubAddress, layout.DNSPort), UDP: true},
		{Port: layout.RegistryPort, To: netip.AddrPortFrom(layout.HubAddress, layout.RegistryPort)},
	}
	for port := uint16(layout.FirstNodePort); port <= layout.LastNodePort; port++ {
		targets = append(targets, forward.Target{Port: port, To: netip.AddrPortFrom(p.ControlPlane().Address, port)})
	}
	return targets
}

// AuditLog is the path on the host of what the API server of a sandbox writes
// about the requests of Slipway's service accounts.
func AuditLog(s *state.State) (string, error) {
	p, err := layout.New(s.Name, s.Nodes)
	if err != nil {
		return "", err
	}
	return filepath.Join(Options{DataDir: s.DataDir}.root(p.ControlPlane().Name), controlplane.AuditLog), nil
}

// Registry describes the registry of a sandbox that is up.
func Registry(name string) (build.Registry, error) {
	s, err := Recorded(name)
	if err != nil {
		return build.Registry{}, err
	}
	p, err := layout.New(s.Name, s.Nodes)
	if err != nil {
		return build.Registry{}, err
	}
	set, err := credentials.Load(Options{DataDir: s.DataDir}.credentialsFile())
	if err != nil {
		return build.Registry{}, err
	}
	return registry.Connect(p, set), nil
}
