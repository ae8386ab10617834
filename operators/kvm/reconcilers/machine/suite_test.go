package machine_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	kubevirtv1 "kubevirt.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/tenantapi"
	"slipway.dev/kit/testenv"
	"slipway.dev/operators/kvm/reconcilers/machine"
	"slipway.dev/operators/kvm/tenant"
)

const (
	drainTimeout = time.Minute
	joinTimeout  = 10 * time.Minute
)

// suite is one real API server, which is the management cluster and every tenant at once.
type suite struct {
	client client.WithWatch
	clock  *clocktesting.FakePassiveClock
	// writes counts what reconcilers write to the management cluster.
	writes *atomic.Int64
	// counting is the client of the reconcilers.
	counting client.Client
}

func newSuite(t *testing.T) *suite {
	t.Helper()
	ctrl.SetLogger(logr.Discard())
	scheme := testenv.Scheme(t, clientgoscheme.AddToScheme, v1alpha1.AddToScheme, kubevirtv1.AddToScheme)
	config := testenv.Start(t, testenv.SlipwayCRDs(4), "../../testdata/kubevirt")
	s := &suite{client: testenv.Client(t, config, scheme), clock: clocktesting.NewFakePassiveClock(time.Now())}
	counted := rest.CopyConfig(config)
	s.writes = testenv.CountWrites(counted)
	s.counting = interceptor.NewClient(testenv.Client(t, counted, scheme), interceptor.Funcs{
		// The index of the manager's cache.
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			if _, ok := list.(*v1alpha1.TenantClusterList); ok {
				return c.List(ctx, list)
			}
			return c.List(ctx, list, options...)
		},
	})
	s.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team"}},
		&v1alpha1.TenantCluster{
			ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "any"},
			Spec:       v1alpha1.TenantClusterSpec{Version: v1alpha1.SupportedVersions[0]},
		})
	return s
}

// tenants is the one tenant of a Machine, or the reason why it cannot be asked.
type tenants struct {
	tenant *tenantapi.Tenant
	down   *tenantapi.NotConnectedError
}

func (t *tenants) Tenant(context.Context, *corev1.Secret) (*tenantapi.Tenant, error) {
	if t.down != nil {
		return nil, t.down
	}
	return t.tenant, nil
}

// set makes a tenant whose API behaves as told.
func (t *tenants) set(s *suite, behaviour interceptor.Funcs) {
	t.tenant = tenantapi.NewTenant(s.client, interceptor.NewClient(s.client, behaviour))
}

// subject is a Machine with a reconciler of its own.
type subject struct {
	suite      *suite
	key        client.ObjectKey
	tenants    *tenants
	reconciler *machine.Reconciler
	// refused is true while something is refused, which is an error.
	refused bool
}

// machine creates a Machine in a new namespace, with what it refers to.
func (s *suite) machine(t *testing.T, namespace *corev1.Namespace) *subject {
	t.Helper()
	labels := map[string]string{v1alpha1.LabelTenant: namespace.Name, v1alpha1.LabelPool: "a"}
	secret := func(name, key string) *corev1.Secret {
		return &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: name, Labels: labels}, Data: map[string][]byte{key: []byte("content")},
		}
	}
	m := &v1alpha1.Machine{
		// Nodes of all Machines are in one cluster here.
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "m-" + namespace.Name, Labels: labels},
		Spec: v1alpha1.MachineSpec{
			Version: v1alpha1.SupportedVersions[0], NetworkName: "any",
			Machine: v1alpha1.MachineSize{Cores: 1, Memory: resource.MustParse("1Gi"), Disk: resource.MustParse("4Gi")},
			Cluster: v1alpha1.MachineCluster{
				APIServer: "https://10.200.0.10:6443", DNSAddress: "10.96.0.10", DNSDomain: "cluster.local", PodCIDR: "10.244.0.0/16", CNI: v1alpha1.CNIBridge,
			},
		},
	}
	s.create(t, namespace, secret(v1alpha1.SecretCA, "ca.crt"), secret(v1alpha1.SecretKVMOperatorKubeconfig, v1alpha1.KubeconfigKey), m)
	result := &subject{suite: s, key: client.ObjectKeyFromObject(m), tenants: &tenants{}}
	result.tenants.set(s, interceptor.Funcs{})
	result.reconciler = &machine.Reconciler{
		Client: s.counting, Writer: apply.NewWriter(s.counting, machine.Owner), Tenants: result.tenants,
		Refusals: tenant.NewRefusals(func(context.Context, types.NamespacedName) {}),
		Events:   machine.Events{EventRecorder: events.NewFakeRecorder(100)}, Clock: s.clock,
		Options: machine.Options{Registry: "registry.test", DrainTimeout: drainTimeout, JoinTimeout: joinTimeout},
	}
	return result
}

// hosted is a Machine in the hosted namespace of a tenant.
func (s *suite) hosted(t *testing.T, name string) *subject {
	t.Helper()
	s.clock.SetTime(time.Now())
	hosted := v1alpha1.HostedNamespace("team", name)
	return s.machine(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: hosted, Annotations: map[string]string{v1alpha1.AnnotationTenantUID: "uid"},
		Labels: map[string]string{v1alpha1.LabelTenant: hosted, v1alpha1.LabelTenantName: name, v1alpha1.LabelTenantNamespace: "team"},
	}})
}

// allocate does network-operator's part.
func (m *subject) allocate(t *testing.T) {
	t.Helper()
	port := &v1alpha1.NetworkPort{}
	m.suite.get(t, m.key, port)
	port.Status = v1alpha1.NetworkPortStatus{MACAddress: "02:00:00:c8:00:10", IPAddress: "10.200.0.16", PrefixLength: 24, Gateway: "10.200.0.1", MTU: 1450}
	m.suite.update(t, port)
}

// booted is a Machine whose guest runs and has not joined. Its tenant is as the
// preparations make it.
func (s *suite) booted(t *testing.T, tenant string, preparations ...func(*subject)) *subject {
	t.Helper()
	m := s.hosted(t, tenant)
	for _, prepare := range preparations {
		prepare(m)
	}
	m.reconcile(t)
	m.allocate(t)
	m.reconcile(t)
	vm := &kubevirtv1.VirtualMachine{}
	s.get(t, m.key, vm)
	guest := &kubevirtv1.VirtualMachineInstance{
		ObjectMeta: metav1.ObjectMeta{Namespace: vm.Namespace, Name: vm.Name, Labels: vm.Spec.Template.ObjectMeta.Labels},
		Spec:       vm.Spec.Template.Spec, Status: kubevirtv1.VirtualMachineInstanceStatus{Phase: kubevirtv1.Running, NodeName: "node"},
	}
	s.create(t, guest)
	return m
}

// ready is a Machine whose Node has joined.
func (s *suite) ready(t *testing.T, tenant string) *subject {
	t.Helper()
	m := s.booted(t, tenant)
	m.join(t)
	for range 3 {
		m.reconcile(t)
	}
	m.expect(t, "joined", v1alpha1.ConditionReady, metav1.ConditionTrue, "Ready")
	return m
}

// join does the work of the guest's kubelet.
func (m *subject) join(t *testing.T) {
	t.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: m.key.Name}, Spec: corev1.NodeSpec{PodCIDR: "10.244.3.0/24", PodCIDRs: []string{"10.244.3.0/24"}}}
	m.suite.create(t, node)
	node.Status.Conditions = []corev1.NodeCondition{{
		Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady", LastHeartbeatTime: metav1.NewTime(time.Now().Add(time.Minute)),
	}}
	m.suite.update(t, node)
}

func (m *subject) reconcile(t *testing.T) (again time.Duration) {
	t.Helper()
	result, err := m.reconciler.Reconcile(t.Context(), ctrl.Request{NamespacedName: m.key})
	if err != nil && !m.refused {
		t.Fatalf("reconcile: %v", err)
	}
	return result.RequeueAfter
}

func (m *subject) get(t *testing.T) *v1alpha1.Machine {
	t.Helper()
	current := &v1alpha1.Machine{}
	m.suite.get(t, m.key, current)
	return current
}

func (m *subject) delete(t *testing.T) {
	t.Helper()
	if err := m.suite.client.Delete(t.Context(), m.get(t)); err != nil {
		t.Fatal(err)
	}
	m.suite.clock.SetTime(time.Now())
}

func (m *subject) expect(t *testing.T, what, conditionType string, status metav1.ConditionStatus, reason string) metav1.Condition {
	t.Helper()
	got := meta.FindStatusCondition(m.get(t).Status.Conditions, conditionType)
	if got == nil || got.Status != status || got.Reason != reason {
		t.Fatalf("%s: %s is %+v, want %s %s", what, conditionType, got, status, reason)
	}
	return *got
}

func (s *suite) create(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, object := range objects {
		if err := s.client.Create(t.Context(), object); err != nil {
			t.Fatalf("create %T %s: %v", object, object.GetName(), err)
		}
	}
}

func (s *suite) get(t *testing.T, key client.ObjectKey, object client.Object) {
	t.Helper()
	if err := s.client.Get(t.Context(), key, object); err != nil {
		t.Fatalf("get %T: %v", object, err)
	}
}

func (s *suite) update(t *testing.T, object client.Object) {
	t.Helper()
	if err := s.client.Status().Update(t.Context(), object); err != nil {
		t.Fatalf("update status of %T: %v", object, err)
	}
}
