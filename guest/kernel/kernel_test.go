package kernel

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAwaitFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	// In this order: the file of the first is there for the second.
	for _, test := range []struct {
		name    string
		prepare func() error
	}{
		{"renamed", func() error {
			return errors.Join(os.WriteFile(path+".new", nil, 0o600), os.Rename(path+".new", path))
		}},
		{"there already", func() error { return nil }},
	} {
		t.Run(test.name, func(t *testing.T) {
			found := make(chan error)
			go func() { found <- AwaitFile(t.Context(), path) }()
			if err := test.prepare(); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-found:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(10 * time.Second):
				t.Error("the file was not seen")
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := AwaitFile(ctx, path+".never"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the deadline's", err)
	}
}

func TestSetSysctls(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "net/ipv4"), 0o755); err != nil {
		t.Fatal(err)
	}
	err := SetSysctls(root, []Sysctl{{"net.absent.x", "1"}, {"net.ipv4.ip_forward", "1"}})
	if err == nil || !strings.Contains(err.Error(), "net.absent.x") || strings.Contains(err.Error(), "ip_forward") {
		t.Errorf("error %v, want one about net.absent.x only", err)
	}
	if got, err := os.ReadFile(filepath.Join(root, "net/ipv4/ip_forward")); err != nil || string(got) != "1" {
		t.Errorf("ip_forward is %q, %v", got, err)
	}
}

func TestOnlineCPUs(t *testing.T) {
	dir := t.TempDir()
	for name, state := range map[string]string{"cpu0/topology": "", "cpu1/online": "0\n", "cpu2/online": "1\n", "cpuidle/online": "0\n"} {
		if err := errors.Join(os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755), os.WriteFile(filepath.Join(dir, name), []byte(state), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := OnlineCPUs(dir); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]string{"cpu1/online": "1", "cpu2/online": "1\n", "cpuidle/online": "0\n"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v; want %q", name, got, err, want)
		}
	}

	// One that cannot be started keeps none of the others off.
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "cpu0/online"), 0o755), os.WriteFile(filepath.Join(dir, "cpu1/online"), []byte("0\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	if err := OnlineCPUs(dir); err == nil || !strings.Contains(err.Error(), "cpu0") {
		t.Errorf("error %v, want one about cpu0", err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "cpu1/online")); err != nil || string(got) != "1" {
		t.Errorf("cpu1 is %q, %v", got, err)
	}
}
