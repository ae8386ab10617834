package tenantapi_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"

	"slipway.dev/kit/tenantapi"
	"slipway.dev/kit/testenv"
)

const dataKey = "kubeconfig"

// connections are Clusters whose callbacks the test can wait for.
type connections struct {
	*tenantapi.Clusters
	connected, ready chan client.ObjectKey
	failure          error
}

func newConnections(t *testing.T) *connections {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c := &connections{connected: make(chan client.ObjectKey, 8), ready: make(chan client.ObjectKey, 8)}
	mapper, err := tenantapi.NewMapper(scheme, []client.Object{&corev1.ConfigMap{}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Clusters = &tenantapi.Clusters{
		Scheme: scheme,
		Mapper: mapper,
		OnConnect: func(ctx context.Context, key client.ObjectKey, target cluster.Cluster) error {
			c.connected <- key
			if failure := c.failure; failure != nil {
				c.failure = nil
				return failure
			}
			_, err := target.GetCache().GetInformer(ctx, &corev1.ConfigMap{})
			return err
		},
		OnChange: func(key client.ObjectKey) { c.ready <- key },
	}
	return c
}

// start runs the connections until the test ends.
func (c *connections) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("end connections: %v", err)
		}
	})
}

func await(t *testing.T, what string, events <-chan client.ObjectKey) client.ObjectKey {
	t.Helper()
	select {
	case key := <-events:
		return key
	case <-time.After(30 * time.Second):
		t.Fatalf("waited 30 s for %s", what)
		return client.ObjectKey{}
	}
}

// ask is Get with the kubeconfig of a Secret.
func (c *connections) ask(secret *corev1.Secret) (*tenantapi.Tenant, error) {
	kubeconfig := secret.Data[dataKey]
	return c.Get(client.ObjectKeyFromObject(secret), string(kubeconfig), func() ([]byte, error) { return kubeconfig, nil })
}

// get asks as a reconciler does: again whenever it is woken.
func (c *connections) get(t *testing.T, secret *corev1.Secret) *tenantapi.Tenant {
	t.Helper()
	for {
		connected, err := c.ask(secret)
		if err == nil {
			return connected
		}
		if !errors.Is(err, tenantapi.ErrNotConnected) {
			t.Fatal(err)
		}
		await(t, "a wake-up", c.ready)
	}
}

// secret holds a kubeconfig for a test's API server, under the given user name.
func secret(t *testing.T, config *rest.Config, name, user string) *corev1.Secret {
	t.Helper()
	kubeconfig := clientcmdapi.NewConfig()
	kubeconfig.Clusters["c"] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	kubeconfig.AuthInfos[user] = &clientcmdapi.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}
	kubeconfig.Contexts["c"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: user}
	kubeconfig.CurrentContext = "c"
	encoded, err := clientcmd.Write(*kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "tenant", Name: name},
		Data:       map[string][]byte{dataKey: encoded},
	}
}

func TestClusters(t *testing.T) {
	ctrl.SetLogger(logr.Discard())
	config := testenv.Start(t)

	t.Run("connects once and reads from its cache", func(t *testing.T) {
		c := newConnections(t)
		wanted := secret(t, config, "admin", "admin")
		if _, err := c.ask(wanted); !errors.Is(err, tenantapi.ErrNotConnected) {
			t.Fatalf("before the start: %v, want ErrNotConnected", err)
		}
		c.start(t)
		// Whoever asked too early is told to ask again.
		if key := await(t, "the wake-up after the start", c.ready); key != client.ObjectKeyFromObject(wanted) {
			t.Fatalf("woken for %s", key)
		}
		if _, err := c.ask(wanted); !errors.Is(err, tenantapi.ErrNotConnected) {
			t.Fatalf("at once: %v, want ErrNotConnected", err)
		}
		await(t, "the connection", c.connected)
		await(t, "filled caches", c.ready)
		first, err := c.ask(wanted)
		if err != nil {
			t.Fatal(err)
		}
		if err := first.List(t.Context(), &corev1.ConfigMapList{}); err != nil {
			t.Error(err)
		}
		second, err := c.ask(wanted)
		if err != nil || first != second {
			t.Errorf("a second connection was made: %v", err)
		}
	})

	t.Run("a changed kubeconfig makes a new connection", func(t *testing.T) {
		c := newConnections(t)
		c.start(t)
		before := c.get(t, secret(t, config, "admin", "before"))
		after := c.get(t, secret(t, config, "admin", "after"))
		if before == after {
			t.Error("the connection is still the one before")
		}
		if len(c.connected) != 2 {
			t.Errorf("%d connections were made, want 2", len(c.connected))
		}
	})

	t.Run("a connection that fails is made again", func(t *testing.T) {
		c := newConnections(t)
		c.failure = errors.New("no informer")
		c.start(t)
		c.get(t, secret(t, config, "admin", "admin"))
		if len(c.connected) != 2 {
			t.Errorf("%d connections were made, want 2", len(c.connected))
		}
	})

	t.Run("a server that does not answer blocks nobody", func(t *testing.T) {
		c := newConnections(t)
		c.start(t)
		dead := rest.CopyConfig(config)
		dead.Host = "https://127.0.0.1:1"
		if _, err := c.ask(secret(t, dead, "dead", "admin")); !errors.Is(err, tenantapi.ErrNotConnected) {
			t.Fatalf("%v, want ErrNotConnected", err)
		}
		c.get(t, secret(t, config, "alive", "admin"))
		// Whether it has ever answered is not known: that is no reason to be silent about it.
		c.awaitReason(t, secret(t, dead, "dead", "admin"), tenantapi.ReasonUnreachable)
		c.Forget(client.ObjectKey{Namespace: "tenant", Name: "dead"})
	})

	t.Run("a kubeconfig of no use is said to be one", func(t *testing.T) {
		c := newConnections(t)
		c.start(t)
		authority := rest.CopyConfig(config)
		authority.CAData = []byte("no certificate")
		for name, broken := range map[string]*corev1.Secret{
			"no kubeconfig": {ObjectMeta: metav1.ObjectMeta{Name: "broken"}, Data: map[string][]byte{dataKey: []byte("{")}},
			"no authority":  secret(t, authority, "no-authority", "admin"),
		} {
			t.Run(name, func(t *testing.T) { c.awaitReason(t, broken, tenantapi.ReasonInvalidKubeconfig) })
		}
	})
}
