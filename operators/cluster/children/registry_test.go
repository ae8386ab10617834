package children_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/golden"
	"slipway.dev/operators/cluster/children"
	"slipway.dev/operators/cluster/controlplane/controlplanetest"
)

// source is a Secret beside the TenantCluster that its owner shares.
func source(name string, secretType corev1.SecretType, keys ...string) *corev1.Secret {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "team", Name: name, Labels: map[string]string{v1alpha1.LabelShareWithWorkers: "true"},
		},
		Type: secretType, Data: map[string][]byte{},
	}
	for _, key := range keys {
		secret.Data[key] = []byte(name + " " + key)
	}
	return secret
}

func sources(secrets map[string]*corev1.Secret) map[string]children.RegistrySource {
	result := map[string]children.RegistrySource{}
	for name, secret := range secrets {
		if secret != nil {
			result[name] = children.NewRegistrySource(secret)
		}
	}
	return result
}

// What is remembered of a Secret that is not copied has any contents of it no more.
func TestRegistrySourcesAreSmall(t *testing.T) {
	large := source("large", corev1.SecretTypeOpaque, "ca.crt")
	large.Data["other"] = bytes.Repeat([]byte("x"), 64<<10)
	hidden := source("hidden", corev1.SecretTypeOpaque, "ca.crt")
	hidden.Labels = map[string]string{"other": "x"}
	for _, secret := range []*corev1.Secret{large, hidden} {
		secret.Annotations = map[string]string{"a": "contents"}
		if kept := children.NewRegistrySource(secret).Secret; kept.Data != nil || kept.Annotations != nil {
			t.Errorf("of Secret %s is kept: %v", secret.Name, kept)
		}
	}
}

func TestRegistrySecretsAreCopied(t *testing.T) {
	tenant := controlplanetest.Tenant()
	tenant.Spec.Registries = []v1alpha1.Registry{
		{Host: "a.example.com", Endpoint: "https://m", CASecretName: "ca", CredentialsSecretName: "login"},
		{Host: "b.example.com", Endpoint: "https://m", CASecretName: "ca", CredentialsSecretName: "login"},
		{Host: "c.example.com", Endpoint: "https://m", CASecretName: "issued"},
	}
	copies, problems := children.RegistrySecrets(tenant, sources(map[string]*corev1.Secret{
		"ca":     source("ca", corev1.SecretTypeOpaque, "ca.crt", "other"),
		"login":  source("login", corev1.SecretTypeBasicAuth, "username", "password", "other"),
		"issued": source("issued", corev1.SecretTypeTLS, "ca.crt", "tls.crt", "tls.key"),
	}))
	if len(problems) > 0 {
		t.Error(problems)
	}
	objects := make([]any, len(copies))
	for n, secret := range copies {
		objects[n] = secret
	}
	golden.Objects(t, "registry", objects...)
}

func TestRegistrySecretsThatAreNotCopied(t *testing.T) {
	hidden := source("mirror", corev1.SecretTypeOpaque, "ca.crt")
	hidden.Labels = nil
	refused := source("mirror", corev1.SecretTypeOpaque, "ca.crt")
	refused.Labels[v1alpha1.LabelShareWithWorkers] = "false"
	// The token of somebody else's service account, in the shape of a CA.
	token := source("mirror", corev1.SecretTypeServiceAccountToken, "ca.crt", "token")
	large := source("mirror", corev1.SecretTypeOpaque, "ca.crt", "other")
	large.Data["ca.crt"] = bytes.Repeat([]byte("x"), 64<<10+1)
	for name, test := range map[string]struct {
		registry v1alpha1.Registry
		secret   *corev1.Secret
		problem  string
	}{
		"large": {
			v1alpha1.Registry{CASecretName: "mirror"}, large,
			"has 65549 bytes, and at most 65536 may be given to workers; leave out keys and authorities that the registry does not need",
		},
		"not there": {v1alpha1.Registry{CASecretName: "mirror"}, nil, "not found"},
		"not shared": {
			v1alpha1.Registry{CASecretName: "mirror"}, hidden,
			"may not be given to workers; allow it with: kubectl label secret -n team mirror slipway.dev/share-with-workers=true",
		},
		"refused": {
			v1alpha1.Registry{CASecretName: "mirror"}, refused,
			"may not be given to workers; allow it with: kubectl label secret -n team mirror slipway.dev/share-with-workers=true",
		},
		"no CA": {
			v1alpha1.Registry{CASecretName: "mirror"}, token,
			"has the type kubernetes.io/service-account-token; make it anew with: kubectl create secret generic -n team mirror --from-file=ca.crt",
		},
		"no login": {
			v1alpha1.Registry{CredentialsSecretName: "mirror"}, source("mirror", corev1.SecretTypeOpaque, "username", "password"),
			"has the type Opaque; make it anew with: kubectl create secret generic -n team mirror " +
				"--type=kubernetes.io/basic-auth --from-literal=username=NAME --from-literal=password=PASSWORD",
		},
		"empty": {v1alpha1.Registry{CASecretName: "mirror"}, source("mirror", corev1.SecretTypeOpaque), "has no key ca.crt"},
	} {
		t.Run(name, func(t *testing.T) {
			tenant := controlplanetest.Tenant()
			test.registry.Host = "docker.io"
			tenant.Spec.Registries = []v1alpha1.Registry{test.registry}
			copies, problems := children.RegistrySecrets(tenant, sources(map[string]*corev1.Secret{"mirror": test.secret}))
			if len(copies) > 0 {
				t.Errorf("copied to %s", *copies[0].Name)
			}
			if diff := cmp.Diff([]string{"Secret mirror of registry docker.io " + test.problem}, problems); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// The copies of Secrets with the longest names have names of their own, and
// NodePools refer to them.
func TestCopiesOfLongNames(t *testing.T) {
	long := strings.Repeat("a.b-c", 48) + strings.Repeat("x", 13)
	tenant := controlplanetest.Tenant()
	tenant.Spec.Registries = []v1alpha1.Registry{{Host: "docker.io", CASecretName: long + "1", CredentialsSecretName: long}}
	tenant.Spec.NodePools = []v1alpha1.ClusterNodePool{{Name: "a"}}
	secrets := map[string]*corev1.Secret{}
	for length := range long {
		name := strings.Trim(long[:length], ".-")
		for _, name := range []string{name + "1", name + "2"} {
			secrets[name] = source(name, corev1.SecretTypeOpaque, "ca.crt")
			tenant.Spec.Registries = append(tenant.Spec.Registries, v1alpha1.Registry{Host: "docker.io", CASecretName: name})
		}
	}
	secrets[long+"1"] = source(long+"1", corev1.SecretTypeOpaque, "ca.crt")
	secrets[long] = source(long, corev1.SecretTypeBasicAuth, "username", "password")
	copies, problems := children.RegistrySecrets(tenant, sources(secrets))
	if len(problems) > 0 {
		t.Error(problems)
	}
	names := map[string]bool{}
	for _, secret := range copies {
		for _, problem := range validation.IsDNS1123Subdomain(*secret.Name) {
			t.Errorf("%s: %s", *secret.Name, problem)
		}
		names[*secret.Name] = true
	}
	if len(names) != len(secrets) {
		t.Errorf("%d copies of %d Secrets", len(names), len(secrets))
	}
	pools, err := children.NodePools(tenant)
	if err != nil {
		t.Fatal(err)
	}
	for _, registry := range pools[0].Spec.Template.Cluster.Registries {
		if !names[*registry.CASecretName] {
			t.Errorf("workers are given %s, which is not made", *registry.CASecretName)
		}
	}
}
