package children

import "slipway.dev/api/v1alpha1"

// RegistryCopyNames are the names of the copies of registries' Secrets that may
// stay: also of those whose sources are missing, because a Secret that is
// replaced is missing for a moment. What its owner no longer shares does not stay.
func RegistryCopyNames(spec v1alpha1.TenantClusterSpec, sources map[string]RegistrySource) []string {
	var names []string
	for _, registry := range spec.Registries {
		for _, wanted := range registrySecrets(registry) {
			source := sources[wanted.source].Secret
			if source == nil || IsShared(source) {
				names = append(names, wanted.target)
			}
		}
	}
	return names
}
