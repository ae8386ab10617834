// Package testenv runs a real etcd and a real API server for tests.
package testenv

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// Start brings up an API server with the CRDs found at the paths, on loopback,
// and ends it with the test. The binaries are those of the sandbox, in bin
// under SLIPWAY_CACHE (~/.cache/slipway when unset).
func Start(t testing.TB, crdPaths ...string) *rest.Config {
	t.Helper()
	environment := &envtest.Environment{
		BinaryAssetsDirectory: filepath.Join(cacheDir(t), "bin"),
		CRDDirectoryPaths:     crdPaths,
		ErrorIfCRDPathMissing: true,
	}
	config, err := environment.Start()
	if err != nil {
		t.Fatalf("start API server (make components builds it): %v", err)
	}
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Errorf("stop API server: %v", err)
		}
	})
	return config
}

// SlipwayCRDs is the path of Slipway's own CRDs, seen from a package that lies
// depth folders below the root of the repository.
func SlipwayCRDs(depth int) string {
	path := filepath.Join("charts", "slipway", "crds")
	for range depth {
		path = filepath.Join("..", path)
	}
	return path
}

// ModuleDir is the folder of a module that the package under test depends on.
func ModuleDir(t testing.TB, module string) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatalf("find module %s: %v", module, err)
	}
	return strings.TrimSpace(string(out))
}

// Binary is the path of another component that the sandbox builds, for tests
// that run the real one.
func Binary(t testing.TB, name string) string {
	t.Helper()
	return filepath.Join(cacheDir(t), "bin", name)
}

func cacheDir(t testing.TB) string {
	if dir := os.Getenv("SLIPWAY_CACHE"); dir != "" {
		return dir
	}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatalf("find home directory: %v", err)
	}
	return filepath.Join(home, ".cache", "slipway")
}
