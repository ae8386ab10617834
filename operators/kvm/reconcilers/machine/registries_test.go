package machine_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/guest/contract"
)

func TestNamesOfRegistriesSecretAgree(t *testing.T) {
	if contract.RegistriesSecret != v1alpha1.SecretTenantRegistries {
		t.Errorf("guests read %s, and may read %s", contract.RegistriesSecret, v1alpha1.SecretTenantRegistries)
	}
}

// testRegistriesAreShared: a password that has changed reaches workers that are there.
func (s *suite) testRegistriesAreShared(t *testing.T) {
	writes := 0
	login := &corev1.Secret{}
	m := s.booted(t, "registries", func(m *subject) {
		m.tenants.set(s, interceptor.Funcs{
			Apply: func(ctx context.Context, c client.WithWatch, object runtime.ApplyConfiguration, options ...client.ApplyOption) error {
				writes++
				return c.Apply(ctx, object, options...)
			},
		})
		machine := m.get(t)
		registries := []v1alpha1.Registry{{Host: "docker.io", Endpoint: "https://mirror.example.com", CredentialsSecretName: "login"}}
		if err := s.client.Delete(t.Context(), machine); err != nil {
			t.Fatal(err)
		}
		machine.Spec.Cluster.Registries = registries
		login = &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: m.key.Namespace, Name: "login"},
			Data:       map[string][]byte{"username": []byte("u"), "password": []byte("first")},
		}
		s.create(t, login, &v1alpha1.NodePool{
			ObjectMeta: metav1.ObjectMeta{Namespace: m.key.Namespace, Name: "a"}, Spec: v1alpha1.NodePoolSpec{Template: machine.Spec},
		}, &v1alpha1.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: m.key.Namespace, Name: m.key.Name, Labels: machine.Labels}, Spec: machine.Spec})
	})
	m.join(t)
	shared := func() string {
		t.Helper()
		for range 3 {
			m.reconcile(t)
		}
		secret, files := &corev1.Secret{}, map[string]string{}
		s.get(t, client.ObjectKey{Namespace: metav1.NamespaceSystem, Name: contract.RegistriesSecret}, secret)
		if err := json.Unmarshal(secret.Data[contract.RegistriesKey], &files); err != nil {
			t.Fatal(err)
		}
		return files["docker.io/hosts.toml"]
	}
	first := shared()
	if !strings.Contains(first, "Authorization") {
		t.Errorf("workers get %q", first)
	}
	before := writes
	if again := shared(); again != first || writes != before {
		t.Errorf("%d writes of what the tenant has", writes-before)
	}
	login.Data["password"] = []byte("second")
	if err := s.client.Update(t.Context(), login); err != nil {
		t.Fatal(err)
	}
	if second := shared(); second == first {
		t.Error("workers have the old password")
	}
}
