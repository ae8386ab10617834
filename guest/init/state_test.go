package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"slipway.dev/guest/cloudinit"
	"slipway.dev/guest/contract"
)

func TestPreloadImages(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "containerd")
	for path, content := range map[string]string{
		metadataDB: "metadata", snapshotsDB: "snapshots", snapshots + "/1/fs/pause": "program", blobs + "/abc": "manifest",
	} {
		write(t, filepath.Join(from, path), content)
	}
	if err := preloadImages(from, to); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		metadataDB: "metadata", snapshotsDB: "snapshots", snapshots + "/1/fs/pause": "program", blobs + "/abc": "manifest",
	} {
		if got, err := os.ReadFile(filepath.Join(to, path)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	if target, err := os.Readlink(filepath.Join(to, snapshots, "1")); err != nil || target != filepath.Join(from, snapshots, "1") {
		t.Errorf("the layer was copied: %q, %v", target, err)
	}

	// After a restart containerd's own changes stay.
	write(t, filepath.Join(to, metadataDB), "changed")
	if err := preloadImages(from, to); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(filepath.Join(to, metadataDB)); string(got) != "changed" {
		t.Errorf("the second time overwrote the metadata with %q", got)
	}
	if err := preloadImages(filepath.Join(from, "none"), filepath.Join(to, "new")); err != nil {
		t.Errorf("without preloaded images: %v", err)
	}
}

func TestKubeletVariables(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kubelet.env")
	if variables, err := kubeletVariables(path); err != nil || variables != nil {
		t.Errorf("without the file: %q, %v", variables, err)
	}
	if grace, err := podGrace(path); err != nil || grace != 5*time.Second {
		t.Errorf("without the file: pods have %s, %v", grace, err)
	}
	write(t, path, "# flags\nKUBELET_ARGS=--node-ip=10.0.0.2 --node-labels=a=b,c=d\nSHUTDOWN_GRACE_PERIOD_SECONDS=90\n")
	variables, err := kubeletVariables(path)
	if err != nil || variables[contract.KubeletArgs] != "--node-ip=10.0.0.2 --node-labels=a=b,c=d" {
		t.Errorf("got %q, %v", variables, err)
	}
	if grace, err := podGrace(path); err != nil || grace != 90*time.Second {
		t.Errorf("pods have %s, %v; want 90 s", grace, err)
	}
	write(t, path, "nonsense\n")
	if _, err := kubeletVariables(path); err == nil {
		t.Error("nonsense gives no error")
	}
	write(t, path, "SHUTDOWN_GRACE_PERIOD_SECONDS=1m\n")
	if grace, err := podGrace(path); err == nil || grace != 5*time.Second {
		t.Errorf("with nonsense pods have %s, %v", grace, err)
	}
}

func TestWriteFile(t *testing.T) {
	root := t.TempDir()
	steps := []struct {
		file cloudinit.File
		want string
		mode os.FileMode
	}{
		{cloudinit.File{Path: "/a/b/c", Mode: 0o600, Content: []byte("one")}, "one", 0o600},
		{cloudinit.File{Path: "/a/b/c", Mode: 0o640, Content: []byte("two"), Append: true}, "onetwo", 0o640},
		{cloudinit.File{Path: "/a/b/c", Mode: 0o4755, Content: []byte("3")}, "3", 0o755 | os.ModeSetuid},
	}
	for _, s := range steps {
		s.file.UID, s.file.GID = os.Getuid(), os.Getgid()
		if err := writeFile(root, s.file); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(root, "a/b/c")
		got, err := os.ReadFile(path)
		if err != nil || string(got) != s.want {
			t.Errorf("got %q, %v, want %q", got, err, s.want)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != s.mode {
			t.Errorf("mode %v, %v, want %v", info.Mode(), err, s.mode)
		}
	}
}

func TestWriteMachineID(t *testing.T) {
	uuid, path := filepath.Join(t.TempDir(), "uuid"), filepath.Join(t.TempDir(), "machine-id")
	if err := writeMachineID(uuid, path); err != nil || exists(path) {
		t.Errorf("without firmware identity: %v, file exists %v", err, exists(path))
	}
	write(t, uuid, "8B52F5D4-9C5A-5AE6-9C55-D1AB1F1F3D12\n")
	if err := writeMachineID(uuid, path); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(path); string(got) != "8b52f5d49c5a5ae69c55d1ab1f1f3d12\n" {
		t.Errorf("got %q", got)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
