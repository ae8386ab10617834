package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
)

// tenant is a TenantCluster that a story made.
type tenant struct {
	*v1alpha1.TenantCluster
	// client of the tenant's own API, once it is ready.
	client     client.WithWatch
	config     *rest.Config
	kubeconfig string
}

// specification is the usual tenant of a story: one worker that can pull the test images.
func specification(namespace, name string) *v1alpha1.TenantCluster {
	return &v1alpha1.TenantCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.TenantClusterSpec{
			Version: v1alpha1.SupportedVersions[0],
			Registries: []v1alpha1.Registry{{
				Host:                  env.registry.host,
				Endpoint:              env.registry.endpoint,
				CASecretName:          "registry-ca",
				CredentialsSecretName: "registry-credentials",
			}},
			NodePools: []v1alpha1.ClusterNodePool{{Name: "a", Replicas: new(int32(1))}},
		},
	}
}

// newNamespace makes a team's namespace with what it takes to pull the test images.
func newNamespace(ctx context.Context, name string) error {
	objects := []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}},
		registryCA(name, "registry-ca"),
		&corev1.Secret{
			ObjectMeta: shared(name, "registry-credentials"),
			Type:       corev1.SecretTypeBasicAuth,
			StringData: map[string]string{"username": env.registry.username, "password": env.registry.password},
		},
	}
	for _, object := range objects {
		if err := client.IgnoreAlreadyExists(env.management.Create(ctx, object)); err != nil {
			return fmt.Errorf("make %T %s: %w", object, object.GetName(), err)
		}
	}
	return nil
}

func registryCA(namespace, name string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: shared(namespace, name),
		Data:       map[string][]byte{"ca.crt": env.registry.ca},
	}
}

// shared is the metadata of a Secret that workers may be given.
func shared(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{v1alpha1.LabelShareWithWorkers: "true"}}
}

// submit creates a TenantCluster and deletes it when the story ends.
func submit(t *testing.T, spec *v1alpha1.TenantCluster) *tenant {
	t.Helper()
	if err := newNamespace(t.Context(), spec.Namespace); err != nil {
		t.Fatal(err)
	}
	if err := env.management.Create(t.Context(), spec); err != nil {
		t.Fatalf("create TenantCluster: %v", err)
	}
	made := &tenant{TenantCluster: spec}
	t.Cleanup(func() {
		if t.Failed() {
			made.explain(t)
		}
		err := env.management.Delete(context.Background(), &v1alpha1.TenantCluster{ObjectMeta: metav1.ObjectMeta{Namespace: spec.Namespace, Name: spec.Name}})
		if client.IgnoreNotFound(err) != nil {
			t.Errorf("delete TenantCluster: %v", err)
		}
	})
	return made
}

// awaitReady waits until the tenant is Ready and connects to it.
func (te *tenant) awaitReady(t *testing.T) {
	t.Helper()
	te.TenantCluster = te.await(t, "TenantCluster Ready", func(tc *v1alpha1.TenantCluster) bool {
		return isTrue(tc.Status.Conditions, v1alpha1.ConditionReady, tc.Generation)
	})
	te.connect(t)
}

func (te *tenant) await(t *testing.T, what string, done func(*v1alpha1.TenantCluster) bool) *v1alpha1.TenantCluster {
	t.Helper()
	return awaitObject(t, env.management, te.TenantCluster, what, done)
}

// connect reads the kubeconfig that the tenant's team gets.
func (te *tenant) connect(t *testing.T) {
	t.Helper()
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: te.Namespace, Name: te.Status.KubeconfigSecretName}
	if err := env.management.Get(t.Context(), key, secret); err != nil {
		t.Fatalf("read kubeconfig: %v", err)
	}
	directory, err := os.MkdirTemp("", "slipway-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	removeAtEnd(directory)
	te.kubeconfig = filepath.Join(directory, te.Name+".kubeconfig")
	if err := os.WriteFile(te.kubeconfig, secret.Data["value"], 0o600); err != nil {
		t.Fatal(err)
	}
	if te.config, err = clientcmd.RESTConfigFromKubeConfig(secret.Data["value"]); err != nil {
		t.Fatalf("read kubeconfig: %v", err)
	}
	if te.client, err = newClient(te.config); err != nil {
		t.Fatal(err)
	}
}

// kubectlCommand is kubectl against the tenant.
func (te *tenant) kubectlCommand(ctx context.Context, arguments ...string) *exec.Cmd {
	return exec.CommandContext(ctx, env.kubectl, append([]string{"--kubeconfig", te.kubeconfig, "--cache-dir", te.kubeconfig + ".cache"}, arguments...)...)
}

// kubectl runs kubectl against the tenant and gives what it prints, trimmed.
func (te *tenant) kubectl(t *testing.T, arguments ...string) (string, error) {
	t.Helper()
	var output, problems bytes.Buffer
	command := te.kubectlCommand(t.Context(), arguments...)
	command.Stdout, command.Stderr = &output, &problems
	if err := command.Run(); err != nil {
		return strings.TrimSpace(output.String()), fmt.Errorf("kubectl %s: %w: %s", strings.Join(arguments, " "), err, problems.String())
	}
	return strings.TrimSpace(output.String()), nil
}

// explain prints what a person would look at when a tenant is not what it should be.
func (te *tenant) explain(t *testing.T) {
	hosted := v1alpha1.HostedNamespace(te.Namespace, te.Name)
	for _, arguments := range [][]string{
		{"get", "slipway", "-A", "-o", "wide"},
		{"get", "pods,vm,vmi,pvc,certificates", "-n", hosted, "-o", "wide"},
		{"get", "events", "-n", hosted, "--sort-by=.lastTimestamp"},
		{"get", "tenantcluster", "-n", te.Namespace, te.Name, "-o", "yaml"},
	} {
		output, err := exec.Command(env.kubectl, append([]string{"--kubeconfig", os.Getenv("KUBECONFIG")}, arguments...)...).CombinedOutput()
		t.Logf("kubectl %s (%v)\n%s", strings.Join(arguments, " "), err, output)
	}
}

// alpha is the tenant that several stories look at, made by the first that asks.
var alpha sharedTenant

type sharedTenant struct {
	once   sync.Once
	tenant *tenant
}

// get makes the tenant, if it is not there, and waits until it is Ready. It lives until the stories end.
func (s *sharedTenant) get(t *testing.T) *tenant {
	t.Helper()
	s.once.Do(func() {
		spec := specification("team-alpha", "main")
		if err := newNamespace(t.Context(), spec.Namespace); err != nil {
			t.Fatal(err)
		}
		if err := env.management.Create(t.Context(), spec); err != nil {
			t.Fatalf("create TenantCluster: %v", err)
		}
		s.tenant = &tenant{TenantCluster: spec}
	})
	if s.tenant == nil {
		t.Fatal("an earlier story could not make this tenant")
	}
	t.Cleanup(func() {
		if t.Failed() {
			s.tenant.explain(t)
		}
	})
	s.tenant.awaitReady(t)
	return s.tenant
}

var temporary []string

func removeAtEnd(path string) { temporary = append(temporary, path) }

// tearDown deletes the shared tenant, and what stories wrote on this machine.
func tearDown() error {
	for _, path := range temporary {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove %s: %w", path, err)
		}
	}
	if alpha.tenant == nil {
		return nil
	}
	if err := client.IgnoreNotFound(env.management.Delete(context.Background(), alpha.tenant.TenantCluster)); err != nil {
		return fmt.Errorf("delete %s: %w", alpha.tenant.Name, err)
	}
	return nil
}
