package build

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// assemble makes an image of one data file and one program with a file capability.
func assemble(t *testing.T) Image {
	t.Helper()
	b := &Builder{Cache: t.TempDir()}
	image, err := b.Assemble(Spec{
		Name: "slipway/probe",
		Tag:  "v1",
		Files: []File{
			{Path: "/usr/local/bin/probe", Data: []byte("#!probe"), Capabilities: netBindService},
			{Path: "/etc/probe.conf", Data: []byte("a=b"), Mode: 0o644},
		},
		Entrypoint: []string{"/usr/local/bin/probe"},
		User:       "65532",
	})
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func TestImageContent(t *testing.T) {
	content, err := openLayout(assemble(t).Path)
	if err != nil {
		t.Fatal(err)
	}
	config, err := content.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	want := v1.Config{Entrypoint: []string{"/usr/local/bin/probe"}, User: "65532", Env: []string{searchPath}, WorkingDir: "/"}
	if diff := cmp.Diff(want, config.Config); diff != "" {
		t.Error(diff)
	}
	layers, err := content.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	reader, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	modes := map[string]int64{}
	for in := tar.NewReader(reader); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		modes[header.Name] = header.Mode
		if header.Name == "usr/local/bin/probe" && header.PAXRecords["SCHILY.xattr.security.capability"] != string(netBindService) {
			t.Errorf("capabilities of the program: %q", header.PAXRecords)
		}
	}
	if diff := cmp.Diff(map[string]int64{
		"etc/": 0o755, "tmp/": 0o1777, "usr/": 0o755, "usr/local/": 0o755, "usr/local/bin/": 0o755,
		"etc/passwd": 0o644, "etc/group": 0o644, "etc/probe.conf": 0o644, "usr/local/bin/probe": 0o755,
	}, modes); diff != "" {
		t.Error(diff)
	}
}

func TestImageIsReproducible(t *testing.T) {
	digests := map[string]bool{}
	for range 2 {
		content, err := openLayout(assemble(t).Path)
		if err != nil {
			t.Fatal(err)
		}
		digest, err := content.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests[digest.String()] = true
	}
	if len(digests) != 1 {
		t.Errorf("two builds gave %v", slices.Collect(maps.Keys(digests)))
	}
}

func TestDynamicProgramsAreRefused(t *testing.T) {
	b := &Builder{Cache: t.TempDir()}
	_, err := b.Assemble(Spec{Name: "x", Tag: "v1", Files: []File{{Path: "/bin/sh", Source: "/bin/sh"}}})
	if err == nil || !strings.Contains(err.Error(), "dynamically") {
		t.Errorf("an image of a dynamically linked program: %v", err)
	}
}

func TestArchiveNamesTheImage(t *testing.T) {
	image := assemble(t)
	var archive bytes.Buffer
	if err := image.Archive(&archive, "registry.example:5000"); err != nil {
		t.Fatal(err)
	}
	in := tar.NewReader(&archive)
	files := map[string]bool{}
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = true
		if header.Name == "index.json" {
			var index v1.IndexManifest
			if err := json.NewDecoder(in).Decode(&index); err != nil {
				t.Fatal(err)
			}
			if got := index.Manifests[0].Annotations["io.containerd.image.name"]; got != "registry.example:5000/slipway/probe:v1" {
				t.Errorf("named %q", got)
			}
		}
	}
	if !files["oci-layout"] || len(files) != 5 {
		t.Errorf("files of the archive: %v", slices.Sorted(maps.Keys(files)))
	}
}

func TestPushSkipsWhatIsThere(t *testing.T) {
	var uploads atomic.Int32
	handler := registry.New()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "sandbox" || password != "secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="sandbox"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.Method == http.MethodPatch {
			uploads.Add(1)
		}
		handler.ServeHTTP(w, r)
	}))
	defer server.Close()
	to := Registry{Host: strings.TrimPrefix(server.URL, "http://"), Username: "sandbox", Password: "secret", Transport: http.DefaultTransport}
	image := assemble(t)
	if err := Push(t.Context(), to, image); err != nil {
		t.Fatal(err)
	}
	if n := uploads.Load(); n != 2 {
		t.Errorf("%d uploads of a configuration and a layer", n)
	}
	if err := Push(t.Context(), to, image); err != nil {
		t.Fatal(err)
	}
	if n := uploads.Load(); n != 2 {
		t.Errorf("%d uploads after the second push", n)
	}
	reference, err := name.NewTag(image.Reference(to.Host))
	if err != nil {
		t.Fatal(err)
	}
	pushed, err := remote.Head(reference, remote.WithAuth(&authn.Basic{Username: to.Username, Password: to.Password}))
	if err != nil {
		t.Fatal(err)
	}
	if digest, err := image.Digest(); digest != pushed.Digest.String() || err != nil {
		t.Errorf("the digest is %s, %v; the registry has %s", digest, err, pushed.Digest)
	}
	to.Password = "wrong"
	if err := Push(t.Context(), to, image); err == nil {
		t.Error("a wrong password pushes")
	}
}

func TestOperatorNeedsItsProgram(t *testing.T) {
	b := &Builder{Root: filepath.Join("..", ".."), Cache: t.TempDir()}
	if _, err := b.Operator(t.Context(), "dns-operator", map[string]string{"other": "slipway.dev/operators/dns"}); err == nil {
		t.Error("an image without its entrypoint")
	}
	if entries, _ := os.ReadDir(b.Cache); len(entries) > 0 {
		t.Errorf("left %v in the cache", entries)
	}
}
