package children

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
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

// registrySecret is one of a registry's Secrets: where it comes from, which
// types it can have, the first of them its copy's, which keys are copied, and
// how a good one is made.
type registrySecret struct {
	source, target string
	types          []corev1.SecretType
	keys           []string
	make           string
}

func registrySecrets(registry v1alpha1.Registry) []registrySecret {
	var result []registrySecret
	if name := registry.CASecretName; name != "" {
		result = append(result, registrySecret{
			source: name, target: caCopy(name),
			types: []corev1.SecretType{corev1.SecretTypeOpaque, corev1.SecretTypeTLS},
			keys:  []string{"ca.crt"},
			make:  "--from-file=ca.crt",
		})
	}
	if name := registry.CredentialsSecretName; name != "" {
		result = append(result, registrySecret{
			source: name, target: credentialsCopy(name),
			types: []corev1.SecretType{corev1.SecretTypeBasicAuth},
			keys:  []string{corev1.BasicAuthUsernameKey, corev1.BasicAuthPasswordKey},
			make:  "--type=kubernetes.io/basic-auth --from-literal=username=NAME --from-literal=password=PASSWORD",
		})
	}
	return result
}

// maxRegistrySecret bounds a source in bytes, with room for a bundle of
// authorities: operators keep all tenants' copies in memory.
const maxRegistrySecret = 64 << 10

// RegistrySource is a Secret beside the TenantCluster that its registries name.
type RegistrySource struct {
	// Secret is nil where there is none. It has no contents where they may not be
	// given to workers or are too large for that.
	Secret *corev1.Secret
	// size of the contents in bytes.
	size int
}

// NewRegistrySource keeps of a Secret what may be copied.
func NewRegistrySource(secret *corev1.Secret) RegistrySource {
	source := RegistrySource{Secret: secret}
	for _, value := range secret.Data {
		source.size += len(value)
	}
	if !IsShared(secret) || source.Large() {
		source.Secret = &corev1.Secret{Type: corev1.SecretType(conditions.FirstLine(string(secret.Type)))}
		source.Secret.Namespace, source.Secret.Name, source.Secret.ResourceVersion = secret.Namespace, secret.Name, secret.ResourceVersion
		if IsShared(secret) {
			source.Secret.Labels = map[string]string{v1alpha1.LabelShareWithWorkers: "true"}
		}
	}
	return source
}

// Large reports whether the Secret is larger than one that is copied.
func (s RegistrySource) Large() bool { return s.size > maxRegistrySecret }

// IsShared reports whether the owner of a Secret lets workers have it.
func IsShared(secret metav1.Object) bool {
	return secret.GetLabels()[v1alpha1.LabelShareWithWorkers] == "true"
}

// RegistrySecrets copies the registries' Secrets into the hosted namespace, from
// where they reach the workers: only those that their owners let go there, of
// the types that registries have, and of those the keys that are used. Else
// whoever may make a TenantCluster could read any Secret beside it. problems
// says what is wrong with the sources, which are by name.
func RegistrySecrets(t controlplane.Tenant, sources map[string]RegistrySource) (copies []*corev1ac.SecretApplyConfiguration, problems []string) {
	seen := map[string]bool{}
	for _, registry := range t.Spec.Registries {
		for _, wanted := range registrySecrets(registry) {
			if seen[wanted.target] {
				continue
			}
			seen[wanted.target] = true
			source := sources[wanted.source]
			if problem := wanted.problem(source); problem != "" {
				problems = append(problems, fmt.Sprintf("Secret %s of registry %s %s", wanted.source, registry.Host, problem))
				continue
			}
			copies = append(copies, wanted.copy(t, source.Secret))
		}
	}
	return copies, problems
}

// problem says what is wrong with a source; nothing of what is in it unless it
// is shared.
func (r registrySecret) problem(source RegistrySource) string {
	secret := source.Secret
	switch {
	case secret == nil:
		return "not found"
	case !IsShared(secret):
		return fmt.Sprintf("may not be given to workers; allow it with: kubectl label secret -n %s %s %s=true",
			secret.Namespace, secret.Name, v1alpha1.LabelShareWithWorkers)
	case !slices.Contains(r.types, secret.Type):
		return fmt.Sprintf("has the type %s; make it anew with: kubectl create secret generic -n %s %s %s",
			conditions.FirstLine(string(secret.Type)), secret.Namespace, secret.Name, r.make)
	case source.Large():
		return fmt.Sprintf("has %d bytes, and at most %d may be given to workers; leave out keys and authorities that the registry does not need",
			source.size, maxRegistrySecret)
	}
	for _, key := range r.keys {
		if _, ok := secret.Data[key]; !ok {
			return "has no key " + key
		}
	}
	return ""
}

func (r registrySecret) copy(t controlplane.Tenant, secret *corev1.Secret) *corev1ac.SecretApplyConfiguration {
	data := map[string][]byte{}
	for _, key := range r.keys {
		data[key] = secret.Data[key]
	}
	return corev1ac.Secret(r.target, t.HostedNamespace).
		WithLabels(labels(t)).WithLabels(map[string]string{LabelRegistry: "true"}).
		WithType(r.types[0]).WithData(data)
}
