package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
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
	if env.registryAddress == "" {
		t.Skip("E2E_REGISTRY is not set: this cluster's registry cannot be reached from here")
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(env.registry.ca)
	options := func(ctx context.Context) []remote.Option {
		return []remote.Option{
			remote.WithContext(ctx),
			remote.WithAuth(&authn.Basic{Username: env.registry.pushUsername, Password: env.registry.pushPassword}),
			remote.WithTransport(&http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}}),
		}
	}
	tag, err := name.NewTag(env.registryAddress + "/" + image)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := remote.Get(tag, options(t.Context())...)
	if err != nil {
		t.Fatalf("read manifest: %v", err)
	}
	restore = sync.OnceFunc(func() {
		if err := remote.Put(tag, manifest, options(context.Background())...); err != nil {
			t.Errorf("put %s back: %v", image, err)
		}
	})
	t.Cleanup(restore)
	if err := remote.Delete(tag.Context().Digest(manifest.Digest.String()), options(t.Context())...); err != nil {
		t.Fatalf("remove %s: %v", image, err)
	}
	return restore
}
