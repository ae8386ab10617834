package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

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

// removeTag takes an image's tag from the registry, and gives what puts it
// back; the end of the story does so too.
func removeTag(t *testing.T, image string) (restore func()) {
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
	if err := remote.Delete(tag, options(t.Context())...); err != nil {
		t.Fatalf("remove %s: %v", image, err)
	}
	return restore
}
