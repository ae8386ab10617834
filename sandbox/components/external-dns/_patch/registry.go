// Package factory makes what remembers which records are external-dns's own:
// here TXT records beside them.
package factory

import (
	"fmt"

	"sigs.k8s.io/external-dns/pkg/apis/externaldns"
	"sigs.k8s.io/external-dns/provider"
	"sigs.k8s.io/external-dns/registry"
	"sigs.k8s.io/external-dns/registry/txt"
)

// Select makes the registry that the configuration names.
func Select(cfg *externaldns.Config, p provider.Provider) (registry.Registry, error) {
	if cfg.Registry != externaldns.RegistryTXT {
		return nil, fmt.Errorf("registry %s is not part of this build; use %s", cfg.Registry, externaldns.RegistryTXT)
	}
	return txt.New(cfg, p)
}
