package tenantaddons

import (
	"context"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/testenv"
	"slipway.dev/operators/cluster/children"
	"slipway.dev/operators/cluster/controlplane"
)

// environment is a management cluster whose only tenant is itself, reached over a
// line that can be cut.
type environment struct {
	// T is the step's, all the whole test's, with which reconcilers end.
	*testing.T
	all        *testing.T
	client     client.Client
	line       *line
	reconciler *Reconciler
	// counted is the reconciler's client, and writes how many statuses it has written.
	counted client.Client
	writes  *atomic.Int64
	hosted  string
	// clock is the reconcilers'; it stands still but for steps.
	clock *clocktesting.FakePassiveClock
}

func newEnvironment(t *testing.T) *environment {
	t.Helper()
	ctrl.SetLogger(logr.Discard())
	config := testenv.Start(t, testenv.SlipwayCRDs(4))
	scheme := testenv.Scheme(t, corev1.AddToScheme, appsv1.AddToScheme, rbacv1.AddToScheme, admissionv1.AddToScheme, v1alpha1.AddToScheme)
	counted := rest.CopyConfig(config)
	writes := testenv.CountWrites(counted)
	e := &environment{
		T: t, all: t, client: testenv.Client(t, config, scheme), counted: testenv.Client(t, counted, scheme), writes: writes,
		hosted: v1alpha1.HostedNamespace("default", "demo"), clock: clocktesting.NewFakePassiveClock(time.Now()),
	}
	e.line = newLine(t, config)
	cluster := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"version": "v1.36.3", "network": map[string]any{"serviceCIDR": "10.0.0.0/24"}, // as the test's API server has it
	}}}
	cluster.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("TenantCluster"))
	cluster.SetNamespace("default")
	cluster.SetName("demo")
	cluster.SetFinalizers([]string{"example.com/test"})
	e.create(cluster)
	namespace := children.Namespace(e.cluster())
	e.create(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: e.hosted, Labels: namespace.Labels, Annotations: namespace.Annotations}},
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: e.hosted, Name: v1alpha1.SecretClusterOperatorKubeconfig},
			Data:       map[string][]byte{v1alpha1.KubeconfigKey: e.kubeconfig(config)},
		})
	e.restart()
	return e
}

// restart makes a reconciler that remembers nothing.
func (e *environment) restart() {
	e.Helper()
	ctx, cancel := context.WithCancel(e.all.Context())
	images := controlplane.Images{Registry: "registry.example.com", CoreDNSTag: "v1.15.0"}
	e.reconciler = New(e.counted, e.client, images, e.clock)
	tenants, err := e.reconciler.connect(ctx, e.client.Scheme())
	if err != nil {
		e.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- tenants.Start(ctx) }()
	e.all.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			e.all.Errorf("end connections: %v", err)
		}
	})
}

func (e *environment) kubeconfig(config *rest.Config) []byte {
	e.Helper()
	file := clientcmdapi.NewConfig()
	file.Clusters["c"] = &clientcmdapi.Cluster{Server: "https://" + e.line.address, CertificateAuthorityData: config.CAData}
	file.AuthInfos["c"] = &clientcmdapi.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}
	file.Contexts["c"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "c"}
	file.CurrentContext = "c"
	encoded, err := clientcmd.Write(*file)
	if err != nil {
		e.Fatal(err)
	}
	return encoded
}

func (e *environment) create(objects ...client.Object) {
	e.Helper()
	for _, object := range objects {
		if err := e.client.Create(e.Context(), object); err != nil {
			e.Fatalf("create %T %s: %v", object, object.GetName(), err)
		}
	}
}

func (e *environment) cluster() *v1alpha1.TenantCluster {
	e.Helper()
	cluster := &v1alpha1.TenantCluster{}
	if err := e.client.Get(e.Context(), client.ObjectKey{Namespace: "default", Name: "demo"}, cluster); err != nil {
		e.Fatal(err)
	}
	return cluster
}

func (e *environment) reconcile() ctrl.Result {
	e.Helper()
	result, err := e.reconciler.Reconcile(e.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: "default", Name: "demo"}})
	if err != nil {
		e.Fatalf("reconcile: %v", err)
	}
	return result
}

func (e *environment) condition() string {
	e.Helper()
	condition := meta.FindStatusCondition(e.cluster().Status.Conditions, v1alpha1.ConditionAddonsReady)
	if condition == nil {
		return "absent"
	}
	return string(condition.Status) + " " + condition.Reason + ": " + condition.Message
}

// await reconciles until the condition begins with a text, as a controller does: when it is woken, and when it has asked
// to be; but it does not wait for longer than a tenant is left alone that was
// slow once. It returns how long that took.
func (e *environment) await(want string) time.Duration {
	e.Helper()
	began := time.Now()
	for {
		result := e.reconcile()
		got := e.condition()
		if strings.HasPrefix(got, want) {
			return time.Since(began)
		}
		if time.Since(began) > time.Minute {
			e.Fatalf("condition AddonsReady:\n got %q\nwant %q", got, want)
		}
		var again <-chan time.Time
		if result.RequeueAfter > 0 {
			again = time.After(min(result.RequeueAfter, time.Second))
		}
		select {
		case <-e.reconciler.wakeUp:
		case <-again:
		case <-time.After(time.Until(began.Add(time.Minute + time.Second))):
		}
	}
}

// line is a TCP proxy that can be cut and mended.
type line struct {
	t               *testing.T
	address, target string

	mu       sync.Mutex
	listener net.Listener
	open     []net.Conn
}

func newLine(t *testing.T, config *rest.Config) *line {
	t.Helper()
	server, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	l := &line{t: t, address: "127.0.0.1:0", target: server.Host}
	l.mend()
	l.address = l.listener.Addr().String()
	t.Cleanup(l.cut)
	return l
}

func (l *line) mend() {
	l.t.Helper()
	listener, err := new(net.ListenConfig).Listen(l.t.Context(), "tcp", l.address)
	if err != nil {
		l.t.Fatal(err)
	}
	l.mu.Lock()
	l.listener = listener
	l.mu.Unlock()
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", l.target)
			if err != nil {
				near.Close()
				continue
			}
			l.mu.Lock()
			l.open = append(l.open, near, far)
			l.mu.Unlock()
			go carry(near, far)
			go carry(far, near)
		}
	}()
}

func carry(from, to net.Conn) {
	defer to.Close()
	buffer := make([]byte, 1<<15)
	for {
		n, err := from.Read(buffer)
		if _, write := to.Write(buffer[:n]); err != nil || write != nil {
			return
		}
	}
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listener.Close()
	for _, connection := range l.open {
		connection.Close()
	}
	l.open = nil
}
