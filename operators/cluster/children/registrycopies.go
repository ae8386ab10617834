package children

import "slipway.dev/api/v1alpha1"

// RegistryCopyNames are the names that the copies of registries' Secrets have,
// whether their sources are there or not.
func RegistryCopyNames(spec v1alpha1.TenantClusterSpec) []string {
	var names []string
	for _, registry := range spec.Registries {
		if registry.CASecretName != "" {
			names = append(names, caCopy(registry.CASecretName))
		}
		if registry.CredentialsSecretName != "" {
			names = append(names, credentialsCopy(registry.CredentialsSecretName))
		}
	}
	return names
}
