package tenantnetwork

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	nadv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/testenv"
	"slipway.dev/operators/network/allocation"
)

var tenantNamespace = v1alpha1.HostedNamespace("default", "demo")

type environment struct {
	*testing.T
	client     client.Client
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
	config := testenv.Start(t, testenv.SlipwayCRDs(4), "../../testdata/networks-crd.yaml")
	scheme := testenv.Scheme(t, corev1.AddToScheme, v1alpha1.AddToScheme, nadv1.AddToScheme)
	admin := testenv.Client(t, config, scheme)
	restricted := testenv.Account(t, config, "../../../../charts/network-operator", "network-operator")
	writes := testenv.CountWrites(restricted)
	operator := testenv.Client(t, restricted, scheme)
	must(t, admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: tenantNamespace, Annotations: map[string]string{v1alpha1.AnnotationTenantUID: "uid"},
		Labels: map[string]string{v1alpha1.LabelTenant: tenantNamespace, v1alpha1.LabelTenantNamespace: "default", v1alpha1.LabelTenantName: "demo"},
	}}))
	e := &environment{T: t, client: admin, writes: writes, recorder: events.NewFakeRecorder(10)}
	e.start(testenv.Cached(operator, admin), operator)
	return e
}

func (e *environment) network(name string) *v1alpha1.TenantNetwork {
	e.Helper()
	network := &v1alpha1.TenantNetwork{
		ObjectMeta: metav1.ObjectMeta{Namespace: tenantNamespace, Name: name},
		Spec:       v1alpha1.TenantNetworkSpec{NodeCIDR: "10.200.0.0/24", PodCIDR: "10.244.0.0/16", ServiceCIDR: "10.96.0.0/16"},
	}
	must(e, e.client.Create(e.Context(), network))
	return network
}

// host makes a node's object, with the networks that it says it carries.
func (e *environment) host(name string, mtu int32, carries ...v1alpha1.ProgrammedNetwork) *v1alpha1.HostNetwork {
	e.Helper()
	host := &v1alpha1.HostNetwork{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.HostNetworkSpec{VTEP: "192.0.2.1", MTU: mtu}}
	must(e, e.client.Create(e.Context(), host))
	host.Status.Networks = carries
	must(e, e.client.Status().Update(e.Context(), host))
	return host
}

func (e *environment) reconcile(network *v1alpha1.TenantNetwork) {
	e.Helper()
	key := client.ObjectKeyFromObject(network)
	_, err := e.reconciler.Reconcile(e.Context(), ctrl.Request{NamespacedName: key})
	must(e, err)
	*network = v1alpha1.TenantNetwork{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	must(e, client.IgnoreNotFound(e.client.Get(e.Context(), key, network)))
}

func (e *environment) isReady(network *v1alpha1.TenantNetwork, status metav1.ConditionStatus, reason, message string) {
	e.Helper()
	ready := meta.FindStatusCondition(network.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.Status != status || ready.Reason != reason || ready.Message != message {
		e.Errorf("Ready is %+v; want %s, %s, %q", ready, status, reason, message)
	}
}

// hasTold compares the events since the last time.
func (e *environment) hasTold(want ...string) {
	e.Helper()
	if diff := cmp.Diff(want, testenv.Told(e.recorder)); diff != "" {
		e.Errorf("events (-want +got):\n%s", diff)
	}
}

func (e *environment) identifiers() []v1alpha1.VirtualNetworkID {
	e.Helper()
	var list v1alpha1.VirtualNetworkIDList
	must(e, e.client.List(e.Context(), &list))
	return list.Items
}

func TestIdentity(t *testing.T) {
	e := newEnvironment(t)
	network := e.network("demo")
	e.reconcile(network)
	e.isReady(network, "False", "NoHostNetwork", "no node agent has made a HostNetwork yet, and the MTU comes from those")
	vni := *network.Status.VNI
	e.hasTold(fmt.Sprintf("Normal Allocated Network has VNI %d and gateway 10.200.0.1", vni),
		"Warning NoHostNetwork no node agent has made a HostNetwork yet, and the MTU comes from those")
	e.host("a", 1500)
	e.host("b", 1400)
	e.reconcile(network)
	e.isReady(network, "True", "Allocated", "")
	if network.Status.MTU != 1350 || *network.Status.VNI != vni || len(e.identifiers()) != 1 {
		e.Errorf("status %+v, identifiers %+v", network.Status, e.identifiers())
	}
	before := e.writes.Load()
	if e.reconcile(network); e.writes.Load() != before {
		e.Errorf("%d writes though nothing has changed", e.writes.Load()-before)
	}
	e.start(e.reconciler.Client, e.reconciler.Live)
	e.reconcile(network)
	e.hasTold()
	var definition nadv1.NetworkAttachmentDefinition
	must(e, e.client.Get(e.Context(), client.ObjectKeyFromObject(network), &definition))
	if want := `{"capabilities":{"mac":true},"cniVersion":"1.0.0","name":"demo","type":"slipway-cni"}`; definition.Spec.Config != want {
		e.Errorf("config %s, want %s", definition.Spec.Config, want)
	}
	// A status that was lost does not cost a second number.
	network.Status = v1alpha1.TenantNetworkStatus{}
	must(e, e.client.Status().Update(e.Context(), network))
	if e.reconcile(network); *network.Status.VNI != vni || len(e.identifiers()) != 1 {
		e.Errorf("status %+v, identifiers %+v", network.Status, e.identifiers())
	}
}

// A restore gives a network another UID and no status. Its number and its
// gateway are those that its nodes and NICs have.
func TestRestoredNetworkKeepsItsIdentity(t *testing.T) {
	e := newEnvironment(t)
	network, host := e.network("demo"), e.host("a", 1500)
	e.reconcile(network)
	before := network.Status
	network.Finalizers = nil
	must(e, e.client.Update(e.Context(), network))
	must(e, e.client.Delete(e.Context(), network))
	restored := e.network("demo")
	e.reconcile(restored)
	if restored.UID == network.UID || *restored.Status.VNI != *before.VNI || *restored.Status.Gateway != *before.Gateway || len(e.identifiers()) != 1 {
		e.Errorf("status %+v, before %+v, identifiers %+v", restored.Status, before, e.identifiers())
	}
	// Nor does it move when what names it is gone.
	must(e, e.client.Delete(e.Context(), &e.identifiers()[0]))
	e.reconcile(restored)
	if *restored.Status.VNI != *before.VNI || len(e.identifiers()) != 1 {
		e.Errorf("status %+v, before %+v, identifiers %+v", restored.Status, before, e.identifiers())
	}
	// Nor does the MTU go with the last HostNetwork.
	must(e, e.client.Delete(e.Context(), host))
	e.reconcile(restored)
	e.isReady(restored, "True", "Allocated", "")
	if restored.Status.MTU != before.MTU {
		e.Errorf("MTU %d, before %d", restored.Status.MTU, before.MTU)
	}
	must(e, e.client.Delete(e.Context(), restored))
	e.reconcile(restored) // the definition
	e.reconcile(restored) // the rest
	if left := e.identifiers(); len(left) != 0 {
		e.Errorf("identifiers %+v", left)
	}
}

// Ready is about this generation on every node that carries the network.
func TestReadyWaitsForItsGenerationOnEveryNode(t *testing.T) {
	e := newEnvironment(t)
	network := e.network("demo")
	e.host("idle", 1500)
	e.reconcile(network)
	carried := v1alpha1.ProgrammedNetwork{VNI: *network.Status.VNI, UID: string(network.UID), Generation: network.Generation}
	host := e.host("a", 1500, carried)
	e.reconcile(network)
	e.isReady(network, "True", "Allocated", "")
	network.Spec.MTU = new(int32(1400))
	must(e, e.client.Update(e.Context(), network))
	e.reconcile(network)
	e.isReady(network, "False", "Programming", "waits for HostNetwork a")
	testenv.Told(e.recorder)
	host.Status.Networks[0].Generation = network.Generation
	must(e, e.client.Status().Update(e.Context(), host))
	e.reconcile(network)
	e.isReady(network, "True", "Allocated", "")
	e.hasTold()
}

// What guests were told stays, and a node that cannot carry it is named.
func TestMTUStays(t *testing.T) {
	e := newEnvironment(t)
	network := e.network("demo")
	e.host("wide", 1500)
	e.reconcile(network)
	narrow := e.host("narrow", 1400)
	e.reconcile(network)
	e.isReady(network, "True", "Allocated", "")
	narrow.Status.Networks = []v1alpha1.ProgrammedNetwork{{VNI: *network.Status.VNI, UID: string(network.UID), Generation: network.Generation}}
	must(e, e.client.Status().Update(e.Context(), narrow))
	e.reconcile(network)
	e.isReady(network, "False", "MTUTooSmall",
		"packets of 1450 bytes and the headers of the tunnel do not fit through HostNetwork narrow: raise the MTU of that node's interface")
	narrow.Spec.MTU = 1500
	must(e, e.client.Update(e.Context(), narrow))
	e.reconcile(network)
	e.isReady(network, "True", "Allocated", "")
	if network.Status.MTU != 1450 {
		e.Errorf("MTU %d", network.Status.MTU)
	}
}

// A network that somebody made anywhere else takes no number.
func TestNetworksCountInHostedNamespacesOnly(t *testing.T) {
	e := newEnvironment(t)
	must(e, e.client.Create(e.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: "team", Annotations: map[string]string{v1alpha1.AnnotationTenantUID: "uid"},
		Labels: map[string]string{v1alpha1.LabelTenant: "team", v1alpha1.LabelTenantNamespace: "default", v1alpha1.LabelTenantName: "demo"},
	}}))
	e.host("a", 1500)
	network := &v1alpha1.TenantNetwork{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "demo"}, Spec: e.network("other").Spec}
	must(e, e.client.Create(e.Context(), network))
	e.reconcile(network)
	e.isReady(network, "False", "NotHosted",
		"namespace team is not the hosted namespace of a TenantCluster; a TenantNetwork is made by the cluster-operator: make a TenantCluster instead")
	if network.Status.VNI != nil || len(network.Finalizers) != 0 || len(e.identifiers()) != 0 {
		e.Errorf("network %+v, identifiers %+v", network, e.identifiers())
	}
}

func TestIdentifierOfAnotherIsLeftAlone(t *testing.T) {
	e := newEnvironment(t)
	network := e.network("demo")
	other := network.DeepCopy()
	other.Name, other.UID = "other", "other"
	var wanted []int32
	for vni := range allocation.VNICandidates(string(network.UID), nil) {
		if wanted = append(wanted, vni); len(wanted) == 2 {
			break
		}
	}
	must(e, e.client.Create(e.Context(), allocation.VirtualNetworkID(*other, wanted[0])))
	e.reconcile(network)
	if *network.Status.VNI != wanted[1] {
		e.Errorf("VNI %d, want %d", *network.Status.VNI, wanted[1])
	}
	must(e, e.client.Delete(e.Context(), network))
	e.reconcile(network) // the definition
	e.reconcile(network) // the rest
	if left := e.identifiers(); len(left) != 1 || left[0].Spec.NetworkRef.UID != "other" {
		e.Errorf("identifiers %+v", left)
	}
}

func TestDeletionInOrder(t *testing.T) {
	e := newEnvironment(t)
	network, kept := e.network("demo"), e.network("kept")
	e.reconcile(network)
	e.reconcile(kept)
	host := e.host("a", 1500,
		v1alpha1.ProgrammedNetwork{VNI: *network.Status.VNI, UID: string(network.UID)},
		v1alpha1.ProgrammedNetwork{VNI: *kept.Status.VNI, UID: string(kept.UID)})
	port := &v1alpha1.NetworkPort{
		ObjectMeta: metav1.ObjectMeta{Namespace: tenantNamespace, Name: "worker", Finalizers: []string{"example.com/slow"}},
		Spec:       v1alpha1.NetworkPortSpec{NetworkName: "demo"},
	}
	must(e, e.client.Create(e.Context(), port))
	foreign := &v1alpha1.NetworkPort{
		ObjectMeta: metav1.ObjectMeta{Namespace: tenantNamespace, Name: "foreign"}, Spec: v1alpha1.NetworkPortSpec{NetworkName: "kept"},
	}
	must(e, e.client.Create(e.Context(), foreign))

	must(e, e.client.Delete(e.Context(), network))
	e.reconcile(network)
	e.isReady(network, "False", "Deleting", "waits for HostNetwork a, NetworkAttachmentDefinition demo, NetworkPort worker")
	must(e, e.client.Get(e.Context(), client.ObjectKeyFromObject(port), port))
	port.Finalizers = nil
	must(e, e.client.Update(e.Context(), port))
	e.reconcile(network)
	e.isReady(network, "False", "Deleting", "waits for HostNetwork a")
	if network.Status.VNI == nil || len(e.identifiers()) != 2 {
		e.Errorf("status %+v, identifiers %+v", network.Status, e.identifiers())
	}
	host.Status.Networks = host.Status.Networks[1:]
	must(e, e.client.Status().Update(e.Context(), host))
	e.reconcile(network)
	if network.UID != "" || len(e.identifiers()) != 1 {
		e.Errorf("network %+v, identifiers %+v", network, e.identifiers())
	}
	if err := e.client.Get(e.Context(), client.ObjectKeyFromObject(foreign), foreign); err != nil {
		e.Errorf("a port of another network: %v", err)
	}
	e.reconcile(network) // gone is gone
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
