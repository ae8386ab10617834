package tenantetcd

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/testenv"
	"slipway.dev/operators/cluster/children"
	"slipway.dev/operators/cluster/controlplane"
)

// podAddress is where the management cluster says that the member is.
const podAddress = "10.0.0.7"

// environment is a management cluster with one tenant, whose etcd is real.
type environment struct {
	*testing.T
	client     client.Client
	recorder   *events.FakeRecorder
	reconciler *Reconciler
	clock      *clocktesting.FakePassiveClock
	store      *store
	hosted     string
}

func newEnvironment(t *testing.T) *environment {
	t.Helper()
	ctrl.SetLogger(logr.Discard())
	config := testenv.Start(t, testenv.SlipwayCRDs(4))
	scheme := testenv.Scheme(t, corev1.AddToScheme, appsv1.AddToScheme, rbacv1.AddToScheme, v1alpha1.AddToScheme)
	e := &environment{
		T: t, client: testenv.Client(t, config, scheme), recorder: events.NewFakeRecorder(10), clock: clocktesting.NewFakePassiveClock(time.Now()),
		hosted: v1alpha1.HostedNamespace("default", "demo"),
	}
	e.store = newStore(t, controlplane.EtcdClientService+"."+e.hosted+".svc")
	// Secrets are read with the rights that the chart gives.
	live := testenv.Client(t, testenv.Account(t, config, "../../../../charts/cluster-operator", "cluster-operator"), scheme)
	e.reconciler = New(e.client, live, e.dial, e.clock, e.recorder)
	cluster := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"version": "v1.36.3"}}}
	cluster.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("TenantCluster"))
	cluster.SetNamespace("default")
	cluster.SetName("demo")
	e.create(cluster)
	namespace := children.Namespace(e.cluster())
	e.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: e.hosted, Labels: namespace.Labels, Annotations: namespace.Annotations}})
	testenv.Grant(t, e.client, e.hosted, "slipway-cluster-operator", "slipway-cluster-operator-hosted")
	return e
}

// dial leads from the pod's address to where etcd runs.
func (e *environment) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if address != net.JoinHostPort(podAddress, "2379") {
		return nil, fmt.Errorf("nothing is at %s", address)
	}
	return new(net.Dialer).DialContext(ctx, network, e.store.client)
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

func (e *environment) reconcile() time.Duration {
	e.Helper()
	result, err := e.reconciler.Reconcile(e.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: "default", Name: "demo"}})
	if err != nil {
		e.Fatalf("reconcile: %v", err)
	}
	return result.RequeueAfter
}

func (e *environment) condition() string {
	e.Helper()
	condition := meta.FindStatusCondition(e.cluster().Status.Conditions, v1alpha1.ConditionEtcdReady)
	if condition == nil {
		return "absent"
	}
	return string(condition.Status) + " " + condition.Reason + ": " + condition.Message
}

// want looks at etcd once.
func (e *environment) want(prefix string) time.Duration {
	e.Helper()
	again := e.reconcile()
	if got := e.condition(); !strings.HasPrefix(got, prefix) {
		e.Fatalf("condition EtcdReady:\n got %q\nwant %q", got, prefix)
	}
	return again
}

// await looks at etcd until the condition begins with a text: etcd takes its time
// to drop what it was told to.
func (e *environment) await(prefix string) {
	e.Helper()
	began := time.Now()
	for {
		e.clock.SetTime(e.clock.Now().Add(period))
		e.reconcile()
		got := e.condition()
		if strings.HasPrefix(got, prefix) {
			return
		}
		if time.Since(began) > time.Minute {
			e.Fatalf("condition EtcdReady:\n got %q\nwant %q", got, prefix)
		}
		<-time.After(100 * time.Millisecond)
	}
}

// runEtcd does the work of the StatefulSet's controller and of a kubelet.
func (e *environment) runEtcd() {
	e.Helper()
	labels := map[string]string{controlplane.LabelComponent: controlplane.Etcd}
	spec := corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: e.hosted, Name: "etcd-0", Labels: labels}, Spec: spec}
	e.create(&appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.hosted, Name: controlplane.Etcd},
		Spec: appsv1.StatefulSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: spec},
		},
	})
	e.want("Unknown Pending: waiting for etcd")
	e.create(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.hosted, Name: v1alpha1.SecretAPIServerEtcdClient}, Data: e.store.identityFiles,
	})
	e.want("Unknown Pending: waiting for etcd")
	e.create(pod)
	pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: podAddress, PodIPs: []corev1.PodIP{{IP: podAddress}}}
	if err := e.client.Status().Update(e.Context(), pod); err != nil {
		e.Fatal(err)
	}
}

// What happens to one etcd, from empty to full and back.
func TestReconciler(t *testing.T) {
	e := newEnvironment(t)
	e.want("Unknown Pending: waiting for etcd")
	e.runEtcd()
	if again := e.want("True Ready: "); again != period {
		t.Errorf("looks again after %s", again)
	}
	settled := e.cluster().ResourceVersion
	e.store.put("something")
	e.want("True Ready: ")
	if e.cluster().ResourceVersion != settled {
		t.Error("a write into etcd is a write of the status")
	}

	n := 0
	for ; e.store.put(fmt.Sprintf("fill/%d", n)); n++ {
		if n%16 == 0 { // what is free in between is given back
			e.clock.SetTime(e.clock.Now().Add(time.Hour))
			e.reconcile()
		}
	}
	if len(e.recorder.Events) != 1 || !strings.HasPrefix(<-e.recorder.Events, "Warning EtcdNearlyFull etcd is nearly full") {
		t.Error("that etcd is nearly full was not told once")
	}
	e.want("False EtcdFull: etcd ")
	e.store.must(nil, "del", "--prefix", "fill/1")
	e.await("True ")
	if !e.store.put("more") {
		t.Fatal("etcd is said to take writes, and takes none")
	}
	e.store.must(nil, "del", "--prefix", "fill/")
	e.store.must(nil, "compact", "--physical", e.store.revision()) // as the API server does
	e.store.put("more")
	e.await("True Ready: ")

	e.store.stop()
	if again := e.want("Unknown EtcdSilent: Pod etcd-0: does not answer"); again != period {
		t.Errorf("looks again after %s", again)
	}
	e.store.start()
	e.want("True Ready: ")

	cluster := e.cluster()
	cluster.Finalizers = []string{"example.com/keep"}
	if err := e.client.Update(e.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	if err := e.client.Delete(e.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	e.want("False Deleting: ")
}

// Room that is free already is given back before there is an alarm, and not
// again right after.
func TestDefragmentsBeforeItIsFull(t *testing.T) {
	e := newEnvironment(t)
	e.runEtcd()
	fill := func() {
		for n := range quota / size * 14 / 20 {
			if !e.store.put(fmt.Sprintf("fill/%d", n)) {
				t.Fatal("it is full already")
			}
		}
		e.store.must(nil, "del", "--prefix", "fill/")
		e.store.must(nil, "compact", "--physical", e.store.revision())
	}
	fill()
	if again := e.want("True Ready: "); again != soon {
		t.Errorf("looks again after %s: it was not defragmented", again)
	}
	if again := e.reconcile(); again != period {
		t.Errorf("looks again after %s: something is left to do", again)
	}
	fill()
	if again := e.reconcile(); again != period {
		t.Errorf("looks again after %s: it was defragmented twice in an hour", again)
	}
}
