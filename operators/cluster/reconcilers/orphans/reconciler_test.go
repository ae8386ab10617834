package orphans

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/testenv"
	"slipway.dev/operators/cluster/children"
	"slipway.dev/operators/cluster/hosted"
)

const finalizer = "example.com/test"

type environment struct {
	*testing.T
	client     client.Client
	clock      *clocktesting.FakePassiveClock
	recorder   *events.FakeRecorder
	reconciler *Reconciler
	team       string
}

func TestReconciler(t *testing.T) {
	ctrl.SetLogger(logr.Discard())
	config := testenv.Start(t, testenv.SlipwayCRDs(4))
	c := testenv.Client(t, config, testenv.Scheme(t, corev1.AddToScheme, appsv1.AddToScheme, rbacv1.AddToScheme, v1alpha1.AddToScheme))
	for name, test := range map[string]func(*environment){
		"a-tenant-that-is-there":         leavesTenants,
		"a-cache-that-is-behind":         believesNoCache,
		"an-api-that-fails":              failsWithTheAPI,
		"a-finalizer-that-was-removed":   removesOrphans,
		"a-tenant-of-the-same-name":      removesWhatIsNotItsNamesakes,
		"a-namespace-that-claims-labels": leavesForeignNamespaces,
	} {
		t.Run(name, func(t *testing.T) {
			e := &environment{
				T: t, client: c, clock: clocktesting.NewFakePassiveClock(time.Now()), recorder: events.NewFakeRecorder(10), team: name,
			}
			e.reconciler = New(c, hosted.NewReader(c, c), hosted.NewGrants(c, testenv.ChartNamespace), e.clock, e.recorder)
			e.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
			test(e)
		})
	}
}

func (e *environment) create(object client.Object) {
	e.Helper()
	if err := e.client.Create(e.Context(), object); err != nil {
		e.Fatalf("create %T %s: %v", object, object.GetName(), err)
	}
}

// tenant creates a TenantCluster, its hosted namespace, and a NodePool in it that
// its operator holds.
func (e *environment) tenant() *v1alpha1.TenantCluster {
	e.Helper()
	object := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"version": "v1.36.3"}}}
	object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("TenantCluster"))
	object.SetNamespace(e.team)
	object.SetName("demo")
	e.create(object)
	cluster := &v1alpha1.TenantCluster{ObjectMeta: metav1.ObjectMeta{Namespace: e.team, Name: "demo", UID: object.GetUID()}}
	namespace := children.Namespace(cluster)
	e.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: *namespace.Name, Labels: namespace.Labels, Annotations: namespace.Annotations}})
	e.create(&v1alpha1.NodePool{
		ObjectMeta: metav1.ObjectMeta{Namespace: *namespace.Name, Name: "a", Finalizers: []string{finalizer}},
		Spec: v1alpha1.NodePoolSpec{Template: v1alpha1.MachineSpec{
			Version: "v1.36.3", NetworkName: "demo", Cluster: v1alpha1.MachineCluster{PodCIDR: "10.244.0.0/16", CNI: v1alpha1.CNIBridge},
		}},
	})
	e.create(&v1alpha1.TenantNetwork{
		ObjectMeta: metav1.ObjectMeta{Namespace: *namespace.Name, Name: "demo"},
		Spec:       v1alpha1.TenantNetworkSpec{NodeCIDR: "10.200.0.0/24", PodCIDR: "10.244.0.0/16", ServiceCIDR: "10.96.0.0/16"},
	})
	return cluster
}

func (e *environment) hosted() string { return v1alpha1.HostedNamespace(e.team, "demo") }

func (e *environment) reconcile() (ctrl.Result, error) {
	return e.reconciler.Reconcile(e.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Name: e.hosted()}})
}

func (e *environment) mustReconcile() ctrl.Result {
	e.Helper()
	result, err := e.reconcile()
	if err != nil {
		e.Fatal(err)
	}
	return result
}

// deleted reports whether an object is gone or being deleted.
func (e *environment) deleted(object client.Object, namespace, name string) bool {
	e.Helper()
	err := e.client.Get(e.Context(), client.ObjectKey{Namespace: namespace, Name: name}, object)
	if client.IgnoreNotFound(err) != nil {
		e.Fatal(err)
	}
	return err != nil || object.GetDeletionTimestamp() != nil
}

func (e *environment) wantUntouched() {
	e.Helper()
	if e.deleted(&v1alpha1.NodePool{}, e.hosted(), "a") || e.deleted(&corev1.Namespace{}, "", e.hosted()) {
		e.Error("something was deleted")
	}
}

func leavesTenants(e *environment) {
	e.tenant()
	e.mustReconcile()
	e.wantUntouched()
}

func believesNoCache(e *environment) {
	e.tenant()
	e.reconciler.client = blind{Client: e.client, err: apierrors.NewNotFound(schema.GroupResource{}, "demo")}
	e.mustReconcile()
	e.wantUntouched()
}

func failsWithTheAPI(e *environment) {
	cluster := e.tenant()
	if err := e.client.Delete(e.Context(), cluster); err != nil {
		e.Fatal(err)
	}
	for name, err := range map[string]error{
		"an error":                     errors.New("no answer"),
		"a server that lacks the kind": apierrors.NewGenericServerResponse(http.StatusNotFound, "get", schema.GroupResource{}, "demo", "404 page not found", 0, true),
		"a refusal":                    apierrors.NewForbidden(schema.GroupResource{}, "demo", nil),
	} {
		e.reconciler.client = blind{Client: e.client, err: err}
		e.reconciler.reader.Live = e.reconciler.client
		if _, err := e.reconcile(); err == nil {
			e.Errorf("%s is taken for an answer", name)
		}
	}
	e.wantUntouched()
}

// blind does not find TenantClusters.
type blind struct {
	client.Client
	err error
}

func (b blind) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	if _, isCluster := object.(*v1alpha1.TenantCluster); isCluster {
		return b.err
	}
	return b.Client.Get(ctx, key, object, options...)
}

func removesOrphans(e *environment) {
	if err := e.client.Delete(e.Context(), e.tenant()); err != nil {
		e.Fatal(err)
	}
	e.wantRemoval()
}

func removesWhatIsNotItsNamesakes(e *environment) {
	e.tenant()
	namespace := &corev1.Namespace{}
	if err := e.client.Get(e.Context(), client.ObjectKey{Name: e.hosted()}, namespace); err != nil {
		e.Fatal(err)
	}
	namespace.Annotations[v1alpha1.AnnotationTenantUID] = string(types.UID("of the one before"))
	if err := e.client.Update(e.Context(), namespace); err != nil {
		e.Fatal(err)
	}
	e.wantRemoval()
}

// wantRemoval: stage by stage, as with a TenantCluster that is deleted.
func (e *environment) wantRemoval() {
	e.Helper()
	if wait := e.mustReconcile().RequeueAfter; wait <= 0 {
		e.Error("nobody looks whether the stage takes too long")
	}
	if !e.deleted(&v1alpha1.NodePool{}, e.hosted(), "a") {
		e.Error("the NodePool is left")
	}
	if e.deleted(&v1alpha1.TenantNetwork{}, e.hosted(), "demo") {
		e.Error("the network goes before the workers")
	}
	pool := &v1alpha1.NodePool{}
	if err := e.client.Get(e.Context(), client.ObjectKey{Namespace: e.hosted(), Name: "a"}, pool); err != nil {
		e.Fatal(err)
	}
	pool.Finalizers = nil
	if err := e.client.Update(e.Context(), pool); err != nil {
		e.Fatal(err)
	}
	e.mustReconcile()
	if !e.deleted(&v1alpha1.TenantNetwork{}, e.hosted(), "demo") {
		e.Error("the network is left")
	}
	e.mustReconcile()
	if !e.deleted(&corev1.Namespace{}, "", e.hosted()) {
		e.Error("the namespace is left")
	}
	want := "Warning Orphaned TenantCluster " + e.team + "/demo is gone and has left this namespace behind; it is removed"
	if got := <-e.recorder.Events; got != want || len(e.recorder.Events) > 0 {
		e.Errorf("event %q and %d more, want %q", got, len(e.recorder.Events), want)
	}
}

func leavesForeignNamespaces(e *environment) {
	// Named by labels and UID, but not by its own name.
	name := "tenant-demo-00000000"
	e.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name:        name,
		Labels:      map[string]string{v1alpha1.LabelTenant: name, v1alpha1.LabelTenantName: "demo", v1alpha1.LabelTenantNamespace: e.team},
		Annotations: map[string]string{v1alpha1.AnnotationTenantUID: "1"},
	}})
	if _, err := e.reconciler.Reconcile(e.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Name: name}}); err != nil {
		e.Fatal(err)
	}
	if e.deleted(&corev1.Namespace{}, "", name) {
		e.Error("a namespace that is not the TenantCluster's was removed")
	}
}
