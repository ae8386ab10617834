package build

import (
	"context"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/sync/errgroup"
)

// Registry is where images are pushed to.
type Registry struct {
	// Host is host[:port], as it stands in references.
	Host string
	// Username and Password are for basic authentication; without a user name requests are anonymous.
	Username, Password string
	// Transport carries the requests: it knows the registry's CA and how to reach it.
	Transport http.RoundTripper
}

// parallelPushes keeps a registry on the same machine busy; more would only contend for the disk.
const parallelPushes = 4

// Push uploads images, and of each only what the registry does not have yet.
func Push(ctx context.Context, registry Registry, images ...Image) error {
	auth := authn.Anonymous
	if registry.Username != "" {
		auth = &authn.Basic{Username: registry.Username, Password: registry.Password}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelPushes)
	for _, image := range images {
		group.Go(func() error {
			reference, err := name.NewTag(image.Reference(registry.Host))
			if err != nil {
				return err
			}
			content, err := openLayout(image.Path)
			if err != nil {
				return err
			}
			if err := remote.Write(reference, content, remote.WithContext(ctx), remote.WithAuth(auth), remote.WithTransport(registry.Transport)); err != nil {
				return fmt.Errorf("pushing %s: %w", reference, err)
			}
			return nil
		})
	}
	return group.Wait()
}
