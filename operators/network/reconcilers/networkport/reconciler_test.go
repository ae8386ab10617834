package networkport

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/testenv"
)

var tenantNamespace = v1alpha1.HostedNamespace("default", "demo")

type environment struct {
	*testing.T
	client     client.Client
	account    *rest.Config
	reconciler *Reconciler
	// writes counts the reconciler's.
	writes   *atomic.Int64
	recorder *events.FakeRecorder
}

// start makes a reconciler that knows of no write.
func (e *environment) start(c client.Client, live client.Reader) {
	e.reconciler = &Reconciler{Client: c, Live: live, Writer: apply.NewWriter(c, Owner), Events: Events{e.recorder}}
}

func newEnvironment(t *testing.T) *environment {
	t.Helper()
	config := testenv.Start(t, testenv.SlipwayCRDs(4))
	scheme := testenv.Scheme(t, corev1.AddToScheme, v1alpha1.AddToScheme)
	admin := testenv.Client(t, config, scheme)
	restricted := testenv.Account(t, config, "../../../../charts/network-operator", "network-operator")
	writes := testenv.CountWrites(restricted)
	operator := testenv.Client(t, restricted, scheme)
	must(t, admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: tenantNamespace, Annotations: map[string]string{v1alpha1.AnnotationTenantUID: "uid"},
		Labels: map[string]string{v1alpha1.LabelTenant: tenantNamespace, v1alpha1.LabelTenantNamespace: "default", v1alpha1.LabelTenantName: "demo"},
	}}))
	e := &environment{T: t, client: admin, account: restricted, writes: writes, recorder: events.NewFakeRecorder(10)}
	e.start(testenv.Cached(operator, admin), operator)
	return e
}

// network makes one that is ready, or not.
func (e *environment) network(name string, ready bool) {
	e.Helper()
	network := &v1alpha1.TenantNetwork{
		ObjectMeta: metav1.ObjectMeta{Namespace: tenantNamespace, Name: name},
		Spec:       v1alpha1.TenantNetworkSpec{NodeCIDR: "10.200.0.0/26", PodCIDR: "10.244.0.0/16", ServiceCIDR: "10.96.0.0/16"},
	}
	must(e, e.client.Create(e.Context(), network))
	if ready {
		network.Status = v1alpha1.TenantNetworkStatus{
			VNI: new(int32(42)), MTU: 1450, Gateway: &v1alpha1.Gateway{IPAddress: "10.200.0.1", MACAddress: "02:2a:0a:c8:00:01"},
		}
		must(e, e.client.Status().Update(e.Context(), network))
	}
}

func (e *environment) port(name, network, address string) {
	e.Helper()
	must(e, e.client.Create(e.Context(), &v1alpha1.NetworkPort{
		ObjectMeta: metav1.ObjectMeta{Namespace: tenantNamespace, Name: name},
		Spec:       v1alpha1.NetworkPortSpec{NetworkName: network, IPAddress: address},
	}))
}

// reconcile makes a pass over a network, and gives one of its ports.
func (e *environment) reconcile(network, name string) v1alpha1.NetworkPort {
	e.Helper()
	_, err := e.reconciler.Reconcile(e.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: tenantNamespace, Name: network}})
	must(e, err)
	var port v1alpha1.NetworkPort
	must(e, e.client.Get(e.Context(), client.ObjectKey{Namespace: tenantNamespace, Name: name}, &port))
	return port
}

// isAtRest makes a pass that has nothing to do.
func (e *environment) isAtRest(network, name string) {
	e.Helper()
	before := e.writes.Load()
	if e.reconcile(network, name); e.writes.Load() != before {
		e.Errorf("%d writes though nothing has changed", e.writes.Load()-before)
	}
}

func (e *environment) isReady(port v1alpha1.NetworkPort, status metav1.ConditionStatus, reason, message string) {
	e.Helper()
	ready := meta.FindStatusCondition(port.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.Status != status || ready.Reason != reason || ready.Message != message {
		e.Errorf("%s: Ready is %+v; want %s, %s, %q", port.Name, ready, status, reason, message)
	}
}

// hasTold compares the events since the last time.
func (e *environment) hasTold(want ...string) {
	e.Helper()
	if diff := cmp.Diff(want, testenv.Told(e.recorder)); diff != "" {
		e.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestPorts(t *testing.T) {
	e := newEnvironment(t)
	e.Run("waits for its network", func(t *testing.T) {
		e := &environment{t, e.client, e.account, e.reconciler, e.writes, e.recorder}
		e.network("slow", false)
		e.port("early", "slow", "")
		e.isReady(e.reconcile("slow", "early"), "False", "NetworkNotReady", "TenantNetwork slow is not ready")
		e.hasTold()
	})
	e.network("demo", true)
	e.Run("has an identity and keeps it", func(t *testing.T) {
		e := &environment{t, e.client, e.account, e.reconciler, e.writes, e.recorder}
		e.port("first", "demo", "")
		port := e.reconcile("demo", "first")
		e.isReady(port, "True", "Allocated", "")
		got := fmt.Sprint(port.Status.IPAddress, port.Status.MACAddress, port.Status.PrefixLength, port.Status.Gateway, port.Status.MTU)
		if want := fmt.Sprint("10.200.0.16", "02:2a:0a:c8:00:10", 26, "10.200.0.1", 1450); got != want {
			e.Errorf("identity %s, want %s", got, want)
		}
		e.isAtRest("demo", "first")
		// The agent's part is not the operator's to take away.
		must(e, apply.Status(e.Context(), e.client, "network-agent", slipwayac.NetworkPort("first", tenantNamespace).WithStatus(
			slipwayac.NetworkPortStatus().WithAttachment(slipwayac.PortAttachment().WithNodeName("a").WithContainerID("c")))))
		again := e.reconcile("demo", "first")
		if again.Status.Attachment == nil || again.Status.IPAddress != port.Status.IPAddress {
			e.Errorf("status %+v", again.Status)
		}
		e.isAtRest("demo", "first")
	})
	e.Run("gets what it asks for, once", func(t *testing.T) {
		e := &environment{t, e.client, e.account, e.reconciler, e.writes, e.recorder}
		e.port("asking", "demo", "10.200.0.10")
		if port := e.reconcile("demo", "asking"); port.Status.IPAddress != "10.200.0.10" {
			e.Errorf("status %+v", port.Status)
		}
		e.port("late", "demo", "10.200.0.10")
		port := e.reconcile("demo", "late")
		e.isReady(port, "False", "AddressTaken", "NetworkPort asking has address 10.200.0.10")
		e.isAtRest("demo", "late")
		e.start(e.reconciler.Client, e.reconciler.Live)
		e.reconcile("demo", "late")
		e.hasTold("Warning AddressTaken NetworkPort asking has address 10.200.0.10")
		must(e, e.client.Delete(e.Context(), &v1alpha1.NetworkPort{ObjectMeta: metav1.ObjectMeta{Namespace: tenantNamespace, Name: "asking"}}))
		e.isReady(e.reconcile("demo", "late"), "True", "Allocated", "")
		e.hasTold()
	})
	e.Run("says what is wrong with what it asks for", func(t *testing.T) {
		e := &environment{t, e.client, e.account, e.reconciler, e.writes, e.recorder}
		e.port("gateway", "demo", "10.200.0.1")
		e.isReady(e.reconcile("demo", "gateway"), "False", "InvalidAddress", `spec.ipAddress "10.200.0.1" is not a free address of 10.200.0.0/26`)
	})
}

// Ports that are restored without status, in whatever order, have the identity
// that those who use them remember.
func TestRestoredPorts(t *testing.T) {
	e := newEnvironment(t)
	e.network("demo", true)
	e.port("first", "demo", "")
	e.port("second", "demo", "")
	before := map[string]v1alpha1.NetworkPortStatus{"first": e.reconcile("demo", "first").Status, "second": e.reconcile("demo", "second").Status}
	must(e, e.client.DeleteAllOf(e.Context(), &v1alpha1.NetworkPort{}, client.InNamespace(tenantNamespace)))
	e.port("fresh", "demo", "")
	e.port("second", "demo", before["second"].IPAddress)
	e.port("first", "demo", before["first"].IPAddress)
	for name, was := range before {
		if port := e.reconcile("demo", name); port.Status.IPAddress != was.IPAddress || port.Status.MACAddress != was.MACAddress {
			e.Errorf("%s has %s and %s, had %s and %s", name, port.Status.IPAddress, port.Status.MACAddress, was.IPAddress, was.MACAddress)
		}
	}
	e.isReady(e.reconcile("demo", "fresh"), "True", "Allocated", "")
}

// All ports of a network are given their addresses in one pass, each once, and
// by an operator that has just started those that are there already.
func TestNoAddressTwice(t *testing.T) {
	e := newEnvironment(t)
	e.network("demo", true)
	const ports = 12
	for i := range ports {
		e.port(fmt.Sprintf("port-%02d", i), "demo", "")
		if i == ports/2 {
			e.reconcile("demo", "port-00")
			e.start(e.reconciler.Client, e.reconciler.Live)
		}
	}
	e.reconcile("demo", "port-00")
	e.eachHasOne(ports)
}

// Two operators at once, as when the lease changes hands, end with no address
// given out twice.
func TestTwoWritersEndWithoutDuplicates(t *testing.T) {
	e := newEnvironment(t)
	e.network("demo", true)
	const ports = 12
	for i := range ports {
		e.port(fmt.Sprintf("port-%02d", i), "demo", "")
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			_, err := e.reconciler.Reconcile(e.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: tenantNamespace, Name: "demo"}})
			if err != nil && !apierrors.IsConflict(err) {
				e.Error(err)
			}
		})
	}
	group.Wait()
	e.reconcile("demo", "port-00")
	e.eachHasOne(ports)
}

func (e *environment) eachHasOne(ports int) {
	e.Helper()
	var list v1alpha1.NetworkPortList
	must(e, e.client.List(e.Context(), &list, client.InNamespace(tenantNamespace)))
	seen := map[string]string{}
	for _, port := range list.Items {
		if other := seen[port.Status.IPAddress]; other != "" || port.Status.IPAddress == "" {
			e.Errorf("%s and %s have address %q", port.Name, other, port.Status.IPAddress)
		}
		seen[port.Status.IPAddress] = port.Name
	}
	if len(list.Items) != ports {
		e.Errorf("%d ports", len(list.Items))
	}
}

// A port that somebody made anywhere else is given nothing.
func TestPortsCountInHostedNamespacesOnly(t *testing.T) {
	e := newEnvironment(t)
	e.network("demo", true)
	e.port("held", "demo", "")
	before := e.reconcile("demo", "held")
	var namespace corev1.Namespace
	must(e, e.client.Get(e.Context(), client.ObjectKey{Name: tenantNamespace}, &namespace))
	delete(namespace.Annotations, v1alpha1.AnnotationTenantUID)
	must(e, e.client.Update(e.Context(), &namespace))
	e.port("stranger", "demo", "")
	message := "namespace " + tenantNamespace + " is not the hosted namespace of a TenantCluster; a NetworkPort is made by the cluster-operator: make a TenantCluster instead"
	port := e.reconcile("demo", "stranger")
	e.isReady(port, "False", "NotHosted", message)
	if port.Status.IPAddress != "" {
		e.Errorf("status %+v", port.Status)
	}
	if held := e.reconcile("demo", "held"); held.Status.IPAddress != before.Status.IPAddress {
		e.Errorf("what a port has was taken: %+v", held.Status)
	}
}

func TestIdentityChanged(t *testing.T) {
	old := &v1alpha1.NetworkPort{ObjectMeta: metav1.ObjectMeta{Generation: 1}, Status: v1alpha1.NetworkPortStatus{IPAddress: "10.200.0.16"}}
	for name, test := range map[string]struct {
		change func(*v1alpha1.NetworkPort)
		want   bool
	}{
		"plugged in":        {func(p *v1alpha1.NetworkPort) { p.Status.Attachment = &v1alpha1.PortAttachment{NodeName: "a"} }, false},
		"asks for another":  {func(p *v1alpha1.NetworkPort) { p.Generation = 2 }, true},
		"status is lost":    {func(p *v1alpha1.NetworkPort) { p.Status = v1alpha1.NetworkPortStatus{} }, true},
		"is being deleted":  {func(p *v1alpha1.NetworkPort) { p.DeletionTimestamp = new(metav1.Now()) }, true},
		"nothing of it all": {func(p *v1alpha1.NetworkPort) { p.Labels = map[string]string{"a": "b"} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			changed := old.DeepCopy()
			test.change(changed)
			if got := identityChanged.Update(event.UpdateEvent{ObjectOld: old, ObjectNew: changed}); got != test.want {
				t.Errorf("identityChanged = %v, want %v", got, test.want)
			}
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
