package hosted

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/operators/cluster/children"
)

// rememberedSources is how many Secrets are remembered that were too large.
const rememberedSources = 1024

// registrySources reads the Secrets that registries name. The contents of those
// that are not shared are not read at all, and a Secret that is too large is not
// read again until it has changed: its owner chooses its size, and it would be
// read with every change of anything.
func (r Reader) registrySources(ctx context.Context, namespace string, names []string) (map[string]children.RegistrySource, error) {
	found := map[string]children.RegistrySource{}
	for _, name := range names {
		source, known, err := r.knownSource(ctx, namespace, name)
		if err != nil {
			return nil, err
		}
		if known {
			found[name] = source
			continue
		}
		secrets, err := r.contents(ctx, namespace, []string{name})
		if err != nil {
			return nil, err
		}
		if secret := secrets[name]; secret != nil {
			source := children.NewRegistrySource(secret)
			if source.Large() {
				r.large.Add(client.ObjectKeyFromObject(secret), source)
			}
			found[name] = source
		}
	}
	return found, nil
}

// knownSource is one about which its metadata says enough. A Secret that the
// cache does not have is none of them: it may be new.
func (r Reader) knownSource(ctx context.Context, namespace, name string) (source children.RegistrySource, known bool, err error) {
	metadata, err := r.metadata(ctx, namespace, name)
	if err != nil || metadata == nil {
		return source, false, err
	}
	if !children.IsShared(metadata) {
		return children.NewRegistrySource(&corev1.Secret{ObjectMeta: metadata.ObjectMeta}), true, nil
	}
	if remembered, ok := r.large.Get(client.ObjectKeyFromObject(metadata)); ok {
		source = remembered.(children.RegistrySource)
		return source, source.Secret.ResourceVersion == metadata.ResourceVersion, nil
	}
	return source, false, nil
}
