// Package factory makes the provider, here the only one: DNS servers that take
// updates by RFC 2136. Those that it lacks are clients of public clouds, which
// nothing here can reach and which are most of what there is to compile.
package factory

import (
	"context"
	"fmt"

	"sigs.k8s.io/external-dns/endpoint"
	"sigs.k8s.io/external-dns/pkg/apis/externaldns"
	"sigs.k8s.io/external-dns/provider"
	"sigs.k8s.io/external-dns/provider/rfc2136"
)

// Select makes the provider that the configuration names.
func Select(ctx context.Context, cfg *externaldns.Config, domainFilter *endpoint.DomainFilter) (provider.Provider, error) {
	if cfg.Provider != externaldns.ProviderRFC2136 {
		return nil, fmt.Errorf("provider %s is not part of this build; use %s", cfg.Provider, externaldns.ProviderRFC2136)
	}
	p, err := rfc2136.New(ctx, cfg, domainFilter)
	if err != nil {
		return nil, err
	}
	if cfg.ProviderCacheTime > 0 {
		p = provider.NewCachedProvider(p, cfg.ProviderCacheTime)
	}
	return newAliasNormalizingMiddleware(p), nil
}
