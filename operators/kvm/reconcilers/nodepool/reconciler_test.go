package nodepool_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/testenv"
	"slipway.dev/operators/kvm/reconcilers/nodepool"
	"slipway.dev/operators/kvm/tenant"
)

type environment struct {
	*testing.T
	config *rest.Config
	client client.WithWatch
}

func newEnvironment(t *testing.T) environment {
	t.Helper()
	config := testenv.Start(t, testenv.SlipwayCRDs(4))
	scheme := testenv.Scheme(t, clientgoscheme.AddToScheme, v1alpha1.AddToScheme)
	return environment{t, config, testenv.Client(t, config, scheme)}
}

// pool creates a hosted namespace with a pool, and returns the pool's key.
func (e environment) pool(t *testing.T, tenant string, replicas int32) client.ObjectKey {
	t.Helper()
	hosted := v1alpha1.HostedNamespace("team", tenant)
	return e.poolIn(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: hosted, Annotations: map[string]string{v1alpha1.AnnotationTenantUID: "uid"},
		Labels: map[string]string{v1alpha1.LabelTenant: hosted, v1alpha1.LabelTenantName: tenant, v1alpha1.LabelTenantNamespace: "team"},
	}}, replicas)
}

func (e environment) poolIn(t *testing.T, namespace *corev1.Namespace, replicas int32) client.ObjectKey {
	t.Helper()
	pool := &v1alpha1.NodePool{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "a"},
		Spec: v1alpha1.NodePoolSpec{Replicas: &replicas, Template: v1alpha1.MachineSpec{
			Version: "v1.36.3", NetworkName: "demo",
			Machine: v1alpha1.MachineSize{Cores: 1, Memory: resource.MustParse("1Gi"), Disk: resource.MustParse("4Gi")},
			Cluster: v1alpha1.MachineCluster{APIServer: "https://10.200.0.10:6443", DNSAddress: "10.96.0.10", DNSDomain: "cluster.local", PodCIDR: "10.244.0.0/16", CNI: "bridge"},
		}},
	}
	for _, object := range []client.Object{namespace, pool} {
		if err := e.client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	return client.ObjectKeyFromObject(pool)
}

func (e environment) reconcile(t *testing.T, key client.ObjectKey, through client.Client) error {
	t.Helper()
	r := &nodepool.Reconciler{
		Client: through, Live: e.client, Writer: apply.NewWriter(through, nodepool.Owner),
		Events: nodepool.Events{EventRecorder: events.NewFakeRecorder(100)},
	}
	_, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: key})
	return err
}

func (e environment) mustReconcile(t *testing.T, key client.ObjectKey) {
	t.Helper()
	if err := e.reconcile(t, key, e.client); err != nil {
		t.Fatal(err)
	}
}

func (e environment) machines(t *testing.T, namespace string) (names []string) {
	t.Helper()
	var list v1alpha1.MachineList
	if err := e.client.List(t.Context(), &list, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	for _, machine := range list.Items {
		names = append(names, machine.Name)
	}
	return names
}

func (e environment) change(t *testing.T, key client.ObjectKey, change func(*v1alpha1.NodePool)) *v1alpha1.NodePool {
	t.Helper()
	pool := &v1alpha1.NodePool{}
	if err := e.client.Get(t.Context(), key, pool); err != nil {
		t.Fatal(err)
	}
	before := pool.DeepCopy()
	change(pool)
	if err := e.client.Patch(t.Context(), pool, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	return pool
}

func (e environment) setReady(t *testing.T, namespace, name string) {
	t.Helper()
	e.setCondition(t, namespace, name, metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: "Ready"})
}

func (e environment) setCondition(t *testing.T, namespace, name string, condition metav1.Condition) {
	t.Helper()
	machine := &v1alpha1.Machine{}
	if err := e.client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, machine); err != nil {
		t.Fatal(err)
	}
	before := machine.DeepCopy()
	meta.SetStatusCondition(&machine.Status.Conditions, condition)
	if err := e.client.Status().Patch(t.Context(), machine, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
}

func TestReconcile(t *testing.T) {
	e := newEnvironment(t)
	t.Run("killed after each creation", e.testKilled)
	t.Run("sees its own writes late", e.testStale)
	t.Run("two at the same time", e.testTwoLeaders)
	t.Run("replaces", e.testReplaces)
	t.Run("deletion waits for Machines", e.testDeletion)
	t.Run("counts in hosted namespaces only", e.testNotHosted)
	t.Run("at rest nothing is written", e.testAtRest)
	t.Run("who leaves counts while the spec does not want it", e.testLeaving)
	t.Run("who leaves an emptied node counts while it is one too many", e.testEmptied)
	t.Run("a quota is named", e.testQuota)
	t.Run("what is not known is not called ready", e.testUnknown)
}

var errKilled = errors.New("killed")

// testKilled ends the operator right after every single creation, whose answer it never sees.
func (e environment) testKilled(t *testing.T) {
	key := e.pool(t, "killed", 3)
	dying := interceptor.NewClient(e.client, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
			return errors.Join(c.Create(ctx, o, options...), errKilled)
		},
	})
	for range 3 {
		if err := e.reconcile(t, key, dying); !errors.Is(err, errKilled) {
			t.Fatalf("not killed: %v", err)
		}
	}
	e.mustReconcile(t, key)
	if names := e.machines(t, key.Namespace); len(names) != 3 {
		t.Errorf("Machines %v", names)
	}
}

// testStale reconciles with a cache that has seen no Machine yet.
func (e environment) testStale(t *testing.T) {
	key := e.pool(t, "stale", 2)
	blind := interceptor.NewClient(e.client, interceptor.Funcs{
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error { return nil },
	})
	for range 3 {
		if err := e.reconcile(t, key, blind); err != nil {
			t.Fatal(err)
		}
	}
	if names := e.machines(t, key.Namespace); len(names) != 2 {
		t.Errorf("Machines %v", names)
	}
}

// testTwoLeaders lets another operator work between this one's look and its creation.
func (e environment) testTwoLeaders(t *testing.T) {
	key := e.pool(t, "leaders", 1)
	overtaken := interceptor.NewClient(e.client, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
			e.mustReconcile(t, key)
			return c.Create(ctx, o, options...)
		},
	})
	if err := e.reconcile(t, key, overtaken); err == nil {
		t.Error("created a Machine that another had created")
	}
	if names := e.machines(t, key.Namespace); len(names) != 1 {
		t.Errorf("Machines %v", names)
	}
}

// testReplaces changes the template: another Machine first, the old one when that is ready.
func (e environment) testReplaces(t *testing.T) {
	key := e.pool(t, "replaces", 1)
	e.mustReconcile(t, key)
	old := e.machines(t, key.Namespace)[0]
	e.setReady(t, key.Namespace, old)
	e.mustReconcile(t, key)
	e.mustHaveReady(t, key, metav1.Condition{Status: metav1.ConditionTrue, Reason: "Ready"})

	e.change(t, key, func(pool *v1alpha1.NodePool) { pool.Spec.Template.Machine.Cores = 2 })
	e.mustReconcile(t, key)
	names := e.machines(t, key.Namespace)
	if len(names) != 2 {
		t.Fatalf("Machines %v", names)
	}
	replacement := names[0]
	if replacement == old {
		replacement = names[1]
	}
	e.mustReconcile(t, key)
	e.mustHaveReady(t, key, metav1.Condition{Status: metav1.ConditionFalse, Reason: "MachineCreated", Message: "Machine " + replacement})
	e.setReady(t, key.Namespace, replacement)
	e.mustReconcile(t, key)
	e.mustReconcile(t, key)
	if diff := cmp.Diff([]string{replacement}, e.machines(t, key.Namespace)); diff != "" {
		t.Errorf("Machines (-want +got):\n%s", diff)
	}
	e.mustHaveReady(t, key, metav1.Condition{Status: metav1.ConditionTrue, Reason: "Ready"})
}

func (e environment) mustHaveReady(t *testing.T, key client.ObjectKey, want metav1.Condition) {
	t.Helper()
	pool := &v1alpha1.NodePool{}
	if err := e.client.Get(t.Context(), key, pool); err != nil {
		t.Fatal(err)
	}
	ready := meta.FindStatusCondition(pool.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.Status != want.Status || ready.Reason != want.Reason || ready.Message != want.Message {
		t.Errorf("Ready is %+v, want %+v", ready, want)
	}
}

// testDeletion deletes a pool whose Machine is held by a finalizer.
func (e environment) testDeletion(t *testing.T) {
	key := e.pool(t, "deletion", 1)
	e.mustReconcile(t, key)
	held := e.hold(t, key.Namespace, e.machines(t, key.Namespace)[0])
	pool := e.change(t, key, func(*v1alpha1.NodePool) {})
	if err := e.client.Delete(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	e.mustReconcile(t, key)
	if err := e.client.Get(t.Context(), client.ObjectKeyFromObject(held), held); err != nil || held.DeletionTimestamp == nil {
		t.Fatalf("Machine is not being deleted: %v", err)
	}
	e.mustHaveReady(t, key, metav1.Condition{Status: metav1.ConditionFalse, Reason: "Deleting", Message: "Machine " + held.Name})
	e.letGo(t, held)
	e.mustReconcile(t, key)
	if err := e.client.Get(t.Context(), key, pool); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("pool: %v", fmt.Sprint(err))
	}
}

// testNotHosted: a pool that a team makes in a namespace of its own makes no workers.
func (e environment) testNotHosted(t *testing.T) {
	key := e.poolIn(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team-own", Labels: map[string]string{
		v1alpha1.LabelTenant: "team-own", v1alpha1.LabelTenantName: "other", v1alpha1.LabelTenantNamespace: "other",
	}}}, 3)
	e.mustReconcile(t, key)
	if names := e.machines(t, key.Namespace); len(names) > 0 {
		t.Errorf("Machines %v", names)
	}
	e.mustHaveReady(t, key, metav1.Condition{Status: metav1.ConditionFalse, Reason: "NotHosted", Message: tenant.MessageNotHosted})
}

// testAtRest reconciles a pool that is as it should be, again and again.
func (e environment) testAtRest(t *testing.T) {
	key := e.pool(t, "rest", 1)
	config := rest.CopyConfig(e.config)
	writes := testenv.CountWrites(config)
	counting := testenv.Client(t, config, e.client.Scheme())
	r := &nodepool.Reconciler{
		Client: counting, Live: e.client, Writer: apply.NewWriter(counting, nodepool.Owner),
		Events: nodepool.Events{EventRecorder: events.NewFakeRecorder(100)},
	}
	reconcile := func() {
		t.Helper()
		if _, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: key}); err != nil {
			t.Fatal(err)
		}
	}
	reconcile()
	e.setReady(t, key.Namespace, e.machines(t, key.Namespace)[0])
	reconcile()
	before := writes.Load()
	if before == 0 {
		t.Fatal("nothing was counted")
	}
	for range 3 {
		reconcile()
	}
	if wrote := writes.Load() - before; wrote > 0 {
		t.Errorf("%d writes to a pool at rest", wrote)
	}
}

// testUnknown: a Machine whose Node cannot be seen is neither ready nor replaced.
func (e environment) testUnknown(t *testing.T) {
	key := e.pool(t, "unknown", 1)
	e.mustReconcile(t, key)
	machine := e.machines(t, key.Namespace)[0]
	e.setCondition(t, key.Namespace, machine, metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionUnknown, Reason: "TenantAPIUnreachable", Message: "no answer",
	})
	e.mustReconcile(t, key)
	e.mustHaveReady(t, key, metav1.Condition{
		Status: metav1.ConditionUnknown, Reason: "TenantAPIUnreachable", Message: "Machine " + machine + ": no answer",
	})
	if names := e.machines(t, key.Namespace); len(names) != 1 || names[0] != machine {
		t.Errorf("Machines %v, want %s as before", names, machine)
	}
}
