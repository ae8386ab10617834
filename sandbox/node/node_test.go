package node

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway.dev/sandbox/credentials"
	"slipway.dev/sandbox/machine"
	"slipway.dev/sandbox/plan"
)

func TestFiles(t *testing.T) {
	p, err := plan.New("demo", 2)
	if err != nil {
		t.Fatal(err)
	}
	m := Machine(Config{
		Plan: p, Node: p.Nodes[1], Root: "/data/node-1",
		Credentials: credentials.Set{CACertificate: []byte("PEM\n"), Password: "secret"},
		Programs:    machine.Programs{"runc": "/cache/runc-1", "containerd": "/cache/containerd-1"},
		PauseImage:  plan.Image("pause", "v1"),
	})
	for golden, path := range map[string]string{
		"containerd.toml": "/etc/containerd/config.toml",
		"hosts.toml":      "/etc/containerd/certs.d/registry.slipway.internal/hosts.toml",
		"kubelet.yaml":    "/etc/kubernetes/kubelet.yaml",
		"cni.json":        "/etc/cni/net.d/00-multus.conf",
		"hosts":           "/etc/hosts",
	} {
		golden = filepath.Join("testdata", golden)
		got := m.Files[path].Content
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	if !json.Valid(m.Files["/etc/cni/net.d/00-multus.conf"].Content) {
		t.Error("the CNI configuration is not JSON")
	}
}
