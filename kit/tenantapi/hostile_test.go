package tenantapi_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/kit/tenantapi"
	"slipway.dev/kit/testenv"
)

// line is a TCP proxy that can be cut: connections then stay open, and nothing
// that is sent on them arrives.
type line struct {
	address string
	mu      sync.Mutex
	whole   chan struct{} // closed while the line is not cut
}

func newLine(t *testing.T, target string) *line {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{address: listener.Addr().String(), whole: make(chan struct{})}
	close(l.whole)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(func() { cancel(); listener.Close() })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := new(net.Dialer).DialContext(ctx, "tcp", target)
			if err != nil {
				near.Close()
				continue
			}
			go l.carry(ctx, near, far)
			go l.carry(ctx, far, near)
		}
	}()
	return l
}

func (l *line) carry(ctx context.Context, from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	buffer := make([]byte, 1<<15)
	for {
		n, err := from.Read(buffer)
		l.mu.Lock()
		whole := l.whole
		l.mu.Unlock()
		select {
		case <-whole:
		case <-ctx.Done():
			return
		}
		if _, write := to.Write(buffer[:n]); err != nil || write != nil {
			return
		}
	}
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.whole = make(chan struct{})
}

func (l *line) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.whole)
}

// front is a server before the test's API server that answers some requests itself.
type front struct{ *httptest.Server }

func frontOf(t *testing.T, config *rest.Config, divert func(*http.Request) bool) front {
	t.Helper()
	target, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport, proxy.FlushInterval, proxy.ErrorLog = transport, -1, log.New(io.Discard, "", 0)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if divert(r) {
			_, _ = w.Write([]byte("NOW: " + time.Now().String()))
			return
		}
		defer func() { _ = recover() }() // a connection that was cut on purpose
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return front{server}
}

func (f front) kubeconfig(t *testing.T) []byte {
	t.Helper()
	file := clientcmdapi.NewConfig()
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw})
	file.Clusters["c"] = &clientcmdapi.Cluster{Server: f.URL, CertificateAuthorityData: certificate}
	file.Contexts["c"] = &clientcmdapi.Context{Cluster: "c"}
	file.CurrentContext = "c"
	encoded, err := clientcmd.Write(*file)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// awaitReason asks whenever woken, until the error has the reason; an empty one stands for success.
func (c *connections) awaitReason(t *testing.T, secret *corev1.Secret, reason string) (message string) {
	t.Helper()
	for {
		_, err := c.ask(secret)
		var down *tenantapi.NotConnectedError
		switch {
		case err == nil && reason == "":
			return ""
		case errors.As(err, &down) && down.Reason == reason:
			return down.Message
		}
		await(t, fmt.Sprintf("reason %q", reason), c.ready)
	}
}

func TestHostileClusters(t *testing.T) {
	ctrl.SetLogger(logr.Discard())
	config := testenv.Start(t)
	for name, test := range map[string]func(*testing.T, *rest.Config){
		"a dead API is noticed within 15 seconds, and its return": testDeadAPI,
		"too many objects are that tenant's problem":              testTooManyObjects,
		"a kind that is served by somebody else is noticed":       testDivertedKind,
		"a kind that somebody else has always served is noticed":  testAlwaysDiverted,
		"what cannot be listed is noticed, and then the silence":  testNothingListed,
		"what is not cached is not read through the cache":        testOnlyWhatIsCached,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, config)
		})
	}
}

func testDeadAPI(t *testing.T, config *rest.Config) {
	server, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	wire := newLine(t, server.Host)
	through := rest.CopyConfig(config)
	through.Host = "https://" + wire.address
	c := newConnections(t)
	c.start(t)
	wanted := secret(t, through, "cut", "admin")
	c.awaitReason(t, wanted, "")
	began := time.Now()
	wire.cut()
	message := c.awaitReason(t, wanted, tenantapi.ReasonUnreachable)
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("noticed after %s", took)
	}
	if want := "the tenant's API server does not answer: no answer in time"; message != want {
		t.Errorf("message %q, want %q", message, want)
	}
	wire.mend()
	c.awaitReason(t, wanted, "")
}

func testTooManyObjects(t *testing.T, config *rest.Config) {
	target := testenv.Client(t, config, testenv.Scheme(t, corev1.AddToScheme))
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "many"}}
	if err := target.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	const limit = 40 // some are Kubernetes' own
	for n := range limit {
		object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "many", Name: fmt.Sprintf("c%d", n)}}
		if err := target.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	other := newConnections(t)
	other.MaxObjects = 10 * limit
	other.start(t)
	c := newConnections(t)
	c.MaxObjects = limit - 10
	c.start(t)
	wanted := secret(t, config, "many", "admin")
	message := c.awaitReason(t, wanted, tenantapi.ReasonTooManyObjects)
	if want := "the tenant has more than 30 objects of kind ConfigMap, which is as many as are read; delete some"; message != want {
		t.Errorf("message %q, want %q", message, want)
	}
	other.awaitReason(t, wanted, "")
	if err := target.DeleteAllOf(t.Context(), &corev1.ConfigMap{}, client.InNamespace("many")); err != nil {
		t.Fatal(err)
	}
	c.awaitReason(t, wanted, "")
	for n := range limit {
		object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "many", Name: fmt.Sprintf("d%d", n)}}
		if err := target.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	c.awaitReason(t, wanted, tenantapi.ReasonTooManyObjects)
}

func testOnlyWhatIsCached(t *testing.T, config *rest.Config) {
	c := newConnections(t)
	c.start(t)
	tenant := c.get(t, secret(t, config, "admin", "admin"))
	if err := tenant.List(t.Context(), &corev1.SecretList{}); err == nil {
		t.Error("reading Secrets has made an informer for them")
	}
	err := tenant.Do(t.Context(), func(ctx context.Context, live client.Client) error {
		return live.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "made"}})
	})
	if err != nil {
		t.Error(err)
	}
}
