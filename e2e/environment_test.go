package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"slipway.dev/api/v1alpha1"
)

// environment is where the stories run.
type environment struct {
	// management is a client of the management cluster.
	management client.WithWatch
	config     *rest.Config
	// kubectl is the binary that users would call.
	kubectl string
	// nodeCommand runs a command on the first management node; empty on a cluster where that is not possible.
	nodeCommand []string
	// dnsServer is the authoritative server, host:port.
	dnsServer  string
	baseDomain string
	// registry that serves the test images to guests.
	registry *testRegistry
	// registryAddress is where this machine reaches that registry, host:port.
	registryAddress string
}

// testRegistry is a registry that needs a CA and credentials, as the sandbox publishes it in the
// Secrets registry, for those who pull, and registry-push of the namespace slipway-system.
type testRegistry struct {
	host, endpoint, username, password string
	pushUsername, pushPassword         string
	ca                                 []byte
}

var env environment

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard()) // what the client logs says nothing about the story
	if err := setUp(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	code := m.Run()
	// What a failed run did not use may be what it did not get to.
	told := code == 0 && allStories()
	if err := errors.Join(tearDown(), reviewPermissions(context.Background(), told)); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func setUp(ctx context.Context) error {
	path := os.Getenv("KUBECONFIG")
	if path == "" {
		return fmt.Errorf("set KUBECONFIG to the kubeconfig of a management cluster with Slipway; make e2e does")
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	config.QPS, config.Burst = 50, 100
	env.config = config
	if env.management, err = newClient(config); err != nil {
		return err
	}
	env.kubectl = filepath.Join(cacheDir(), "bin", "kubectl")
	env.nodeCommand = strings.Fields(os.Getenv("E2E_NODE_COMMAND"))
	env.dnsServer = os.Getenv("E2E_DNS_SERVER")
	env.baseDomain = os.Getenv("E2E_BASE_DOMAIN")
	env.registryAddress = os.Getenv("E2E_REGISTRY")
	return readRegistry(ctx)
}

func readRegistry(ctx context.Context) error {
	pull, err := registrySecret(ctx, "registry", "host, endpoint, username, password, ca.crt")
	if err != nil {
		return err
	}
	push, err := registrySecret(ctx, "registry-push", "username, password")
	if err != nil {
		return err
	}
	env.registry = &testRegistry{
		host:         string(pull["host"]),
		endpoint:     string(pull["endpoint"]),
		username:     string(pull["username"]),
		password:     string(pull["password"]),
		pushUsername: string(push["username"]),
		pushPassword: string(push["password"]),
		ca:           pull["ca.crt"],
	}
	return nil
}

func registrySecret(ctx context.Context, name, keys string) (map[string][]byte, error) {
	secret := &corev1.Secret{}
	err := env.management.Get(ctx, client.ObjectKey{Namespace: "slipway-system", Name: name}, secret)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("the Secret %s in slipway-system says where test images are (keys %s): %w", name, keys, err)
	}
	if err != nil {
		return nil, fmt.Errorf("read registry: %w", err)
	}
	return secret.Data, nil
}

// image is a test image at the sandbox's registry.
func image(name string) string { return env.registry.host + "/" + name }

func newClient(config *rest.Config) (client.WithWatch, error) {
	types := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(types); err != nil {
			return nil, fmt.Errorf("register types: %w", err)
		}
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: types})
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	return c, nil
}

func cacheDir() string {
	if dir := os.Getenv("SLIPWAY_CACHE"); dir != "" {
		return dir
	}
	return filepath.Join(os.Getenv("HOME"), ".cache", "slipway")
}
