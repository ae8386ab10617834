package node

import (
	"encoding/json"
	"testing"

	"slipway.dev/kit/golden"
	"slipway.dev/sandbox/credentials"
	"slipway.dev/sandbox/layout"
	"slipway.dev/sandbox/machine"
)

func TestFiles(t *testing.T) {
	p, err := layout.New("demo", 2)
	if err != nil {
		t.Fatal(err)
	}
	m := Machine(Config{
		Layout: p, Node: p.Nodes[1], Root: "/data/node-1",
		Credentials: credentials.Set{CACertificate: []byte("PEM\n"), Password: "secret"},
		Programs:    machine.Programs{"runc": "/cache/runc-1", "containerd": "/cache/containerd-1"},
		PauseImage:  layout.Image("pause", "v1"),
	})
	for name, path := range map[string]string{
		"containerd.toml": "/etc/containerd/config.toml",
		"hosts.toml":      "/etc/containerd/certs.d/registry.slipway.internal/hosts.toml",
		"kubelet.yaml":    "/etc/kubernetes/kubelet.yaml",
		"cni.json":        "/etc/cni/net.d/00-multus.conf",
		"hosts":           "/etc/hosts",
	} {
		golden.File(t, name, string(m.Files[path].Content))
	}
	if !json.Valid(m.Files["/etc/cni/net.d/00-multus.conf"].Content) {
		t.Error("the CNI configuration is not JSON")
	}
}
