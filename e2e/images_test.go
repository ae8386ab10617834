package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	registryv1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
)

// Images, as the sandbox's registry names them.
const (
	agnhostImage         = "agnhost:v1.36.3"
	sampleAPIServerImage = "sample-apiserver:v0.36.3"
	etcdImage            = "etcd:v3.7.3"
)

// guestImage is the workers' operating system of the usual tenant.
var guestImage = "guest:" + string(v1alpha1.SupportedVersions[0])

// testDigests: whatever is pushed later under the same tag, the tenant's control
// plane and its guests run what they run when they are started anew.
func testDigests(t *testing.T, te *tenant) {
	pods := &corev1.PodList{}
	if err := env.management.List(t.Context(), pods, client.InNamespace(te.Status.HostedNamespace)); err != nil {
		t.Fatal(err)
	}
	images := map[string]bool{}
	for _, pod := range pods.Items {
		for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
			name, _, pinned := strings.Cut(container.Image, "@sha256:")
			images[name] = true
			// KubeVirt chooses the image of its launcher.
			if !pinned && !strings.Contains(name, "/virt-launcher") {
				t.Errorf("container %s of pod %s has image %s, without a digest", container.Name, pod.Name, container.Image)
			}
		}
	}
	for _, name := range []string{etcdImage, "kube-apiserver:" + string(te.Spec.Version), guestImage} {
		if !images[image(name)] {
			t.Errorf("no pod runs %s", image(name))
		}
	}
}

// removeImage takes an image from the registry, by digest as well as by tag, and
// gives what puts it back; the end of the story does so too.
func removeImage(t *testing.T, image string) (restore func()) {
	t.Helper()
	tag := tagAt(t, image)
	manifest, err := remote.Get(tag, pushOptions(t.Context())...)
	if err != nil {
		t.Fatalf("read manifest: %v", err)
	}
	restore = sync.OnceFunc(func() {
		if err := remote.Put(tag, manifest, pushOptions(context.Background())...); err != nil {
			t.Errorf("put %s back: %v", image, err)
		}
	})
	t.Cleanup(restore)
	if err := remote.Delete(tag.Context().Digest(manifest.Digest.String()), pushOptions(t.Context())...); err != nil {
		t.Fatalf("remove %s: %v", image, err)
	}
	return restore
}

// pushProgram makes an image of a program of these stories, and returns how
// tenants call it.
func pushProgram(t *testing.T, name, program string) string {
	t.Helper()
	tag := tagAt(t, name+":e2e")
	file := filepath.Join(t.TempDir(), name)
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", file, program)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", program, err, output)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return archive(file) })
	if err != nil {
		t.Fatal(err)
	}
	image, err := mutate.ConfigFile(empty.Image, &registryv1.ConfigFile{
		OS: "linux", Architecture: runtime.GOARCH,
		RootFS: registryv1.RootFS{Type: "layers"},
		Config: registryv1.Config{Entrypoint: []string{"/" + name}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if image, err = mutate.AppendLayers(image, layer); err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, image, pushOptions(t.Context())...); err != nil {
		t.Fatalf("push %s: %v", name, err)
	}
	return env.registry.host + "/" + name + ":e2e"
}

// archive has one program in the root folder.
func archive(program string) (io.ReadCloser, error) {
	content, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	buffer := &bytes.Buffer{}
	out := tar.NewWriter(buffer)
	err = out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: filepath.Base(program), Mode: 0o755, Size: int64(len(content))})
	if err == nil {
		_, err = out.Write(content)
	}
	return io.NopCloser(buffer), errors.Join(err, out.Close())
}

// tagAt is the tag of a test image where this machine reaches the registry.
func tagAt(t *testing.T, image string) name.Tag {
	t.Helper()
	if env.registryAddress == "" {
		t.Skip("E2E_REGISTRY is not set: this cluster's registry cannot be reached from here")
	}
	tag, err := name.NewTag(env.registryAddress + "/" + image)
	if err != nil {
		t.Fatal(err)
	}
	return tag
}

func pushOptions(ctx context.Context) []remote.Option {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(env.registry.ca)
	return []remote.Option{
		remote.WithContext(ctx),
		remote.WithAuth(&authn.Basic{Username: env.registry.pushUsername, Password: env.registry.pushPassword}),
		remote.WithTransport(&http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}}),
	}
}
