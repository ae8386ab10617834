package controlplane

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway.dev/kit/golden"
	"slipway.dev/sandbox/layout"
)

func TestConfig(t *testing.T) {
	p, err := layout.New("demo", 1)
	if err != nil {
		t.Fatal(err)
	}
	files := Files(Config{Layout: p, Version: "v1.36.3", EtcdVersion: "v3.7.3", Loopback: netip.MustParseAddr("127.77.5.1")})
	golden.File(t, "kubeadm.yaml", string(files[configPath].Content))
}

func TestHostKubeconfig(t *testing.T) {
	p, err := layout.New("demo", 1)
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	path := filepath.Join(root, AdminKubeconfig)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("server: https://172.30.0.10:6443\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := HostKubeconfig(root, p, netip.MustParseAddr("127.77.5.1"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("server: https://127.77.5.1:6443\n", string(got)); diff != "" {
		t.Errorf("kubeconfig (-want +got):\n%s", diff)
	}
}
