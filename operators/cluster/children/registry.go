package children

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/controlplane"
)

// LabelRegistry marks the copies of registries' Secrets, so that those no
// longer wanted are found.
const LabelRegistry = "slipway.dev/registry"

func caCopy(name string) string          { return copyName("registry-ca-", name) }
func credentialsCopy(name string) string { return copyName("registry-auth-", name) }

// copyName puts a hash in place of a name that leaves no room for the prefix.
func copyName(prefix, name string) string {
	if len(prefix)+len(name) > validation.DNS1123SubdomainMaxLength {
		sum := sha256.Sum256([]byte(name))
		name = hex.EncodeToString(sum[:])
	}
	return prefix + name
}

// RegistrySecretNames are the Secrets beside the TenantCluster that its
// registries refer to, sorted.
func RegistrySecretNames(spec v1alpha1.TenantClusterSpec) []string {
	var names []string
	for _, registry := range spec.Registries {
		for _, name := range []string{registry.CASecretName, registry.CredentialsSecretName} {
			if name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// RegistrySecrets copies the registries' Secrets into the hosted namespace:
// only the keys that are used. problems names what is missing in the sources,
// which are by name.
func RegistrySecrets(t controlplane.Tenant, sources map[string]*corev1.Secret) (copies []*corev1ac.SecretApplyConfiguration, problems []string) {
	written := map[string]bool{}
	add := func(host, source, target string, secretType corev1.SecretType, keys ...string) {
		if source == "" || written[target] {
			return
		}
		written[target] = true
		secret := sources[source]
		if secret == nil {
			problems = append(problems, fmt.Sprintf("Secret %s of registry %s not found", source, host))
			return
		}
		data := map[string][]byte{}
		for _, key := range keys {
			value, ok := secret.Data[key]
			if !ok {
				problems = append(problems, fmt.Sprintf("Secret %s of registry %s has no key %s", source, host, key))
				return
			}
			data[key] = value
		}
		copies = append(copies, corev1ac.Secret(target, t.HostedNamespace).
			WithLabels(labels(t)).WithLabels(map[string]string{LabelRegistry: "true"}).
			WithType(secretType).WithData(data))
	}
	for _, registry := range t.Spec.Registries {
		add(registry.Host, registry.CASecretName, caCopy(registry.CASecretName), corev1.SecretTypeOpaque, "ca.crt")
		add(registry.Host, registry.CredentialsSecretName, credentialsCopy(registry.CredentialsSecretName),
			corev1.SecretTypeBasicAuth, corev1.BasicAuthUsernameKey, corev1.BasicAuthPasswordKey)
	}
	return copies, problems
}
