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
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/testenv"
	"slipway.dev/operators/kvm/reconcilers/nodepool"
)

type environment struct {
	*testing.T
	client client.WithWatch
}

func newEnvironment(t *testing.T) environment {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c, err := client.NewWithWatch(testenv.Start(t, testenv.SlipwayCRDs(4)), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return environment{t, c}
}

// pool creates a namespace of its own with a pool, and gives the pool's key.
func (e environment) pool(t *testing.T, namespace string, replicas int32) client.ObjectKey {
	t.Helper()
	pool := &v1alpha1.NodePool{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "a"},
		Spec: v1alpha1.NodePoolSpec{Replicas: &replicas, Template: v1alpha1.MachineSpec{
			Version: "v1.36.3", NetworkName: "demo",
			Machine: v1alpha1.MachineSize{Cores: 1, Memory: resource.MustParse("1Gi"), Disk: resource.MustParse("4Gi")},
			Cluster: v1alpha1.MachineCluster{APIServer: "https://10.200.0.10:6443", DNSAddress: "10.96.0.10", DNSDomain: "cluster.local", PodCIDR: "10.244.0.0/16", CNI: "bridge"},
		}},
	}
	for _, object := range []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, pool} {
		if err := e.client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	return client.ObjectKeyFromObject(pool)
}

func (e environment) reconcile(t *testing.T, key client.ObjectKey, through client.Client) error {
	t.Helper()
	r := &nodepool.Reconciler{Client: through, Live: e.client, Events: events.NewFakeRecorder(100)}
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
	machine := &v1alpha1.Machine{}
	if err := e.client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, machine); err != nil {
		t.Fatal(err)
	}
	before := machine.DeepCopy()
	meta.SetStatusCondition(&machine.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: "Ready"})
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
	if names := e.machines(t, "killed"); len(names) != 3 {
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
	if names := e.machines(t, "stale"); len(names) != 2 {
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
	if names := e.machines(t, "leaders"); len(names) != 1 {
		t.Errorf("Machines %v", names)
	}
}

// testReplaces changes the template: another Machine first, the old one when that is ready.
func (e environment) testReplaces(t *testing.T) {
	key := e.pool(t, "replaces", 1)
	e.mustReconcile(t, key)
	old := e.machines(t, "replaces")[0]
	e.setReady(t, "replaces", old)
	e.mustReconcile(t, key)
	e.mustHaveReady(t, key, metav1.Condition{Status: metav1.ConditionTrue, Reason: "Ready"})

	e.change(t, key, func(pool *v1alpha1.NodePool) { pool.Spec.Template.Machine.Cores = 2 })
	e.mustReconcile(t, key)
	names := e.machines(t, "replaces")
	if len(names) != 2 {
		t.Fatalf("Machines %v", names)
	}
	replacement := names[0]
	if replacement == old {
		replacement = names[1]
	}
	e.mustReconcile(t, key)
	e.mustHaveReady(t, key, metav1.Condition{Status: metav1.ConditionFalse, Reason: "MachineCreated", Message: "Machine " + replacement})
	e.setReady(t, "replaces", replacement)
	e.mustReconcile(t, key)
	e.mustReconcile(t, key)
	if diff := cmp.Diff([]string{replacement}, e.machines(t, "replaces")); diff != "" {
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
	machine := &v1alpha1.Machine{}
	if err := e.client.Get(t.Context(), client.ObjectKey{Namespace: "deletion", Name: e.machines(t, "deletion")[0]}, machine); err != nil {
		t.Fatal(err)
	}
	held := machine.DeepCopy()
	held.Finalizers = []string{"slipway.dev/test"}
	if err := e.client.Patch(t.Context(), held, client.MergeFrom(machine)); err != nil {
		t.Fatal(err)
	}
	pool := e.change(t, key, func(*v1alpha1.NodePool) {})
	if err := e.client.Delete(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	e.mustReconcile(t, key)
	if err := e.client.Get(t.Context(), client.ObjectKeyFromObject(held), held); err != nil || held.DeletionTimestamp == nil {
		t.Fatalf("Machine is not being deleted: %v", err)
	}
	e.mustHaveReady(t, key, metav1.Condition{Status: metav1.ConditionFalse, Reason: "Deleting", Message: "Machine " + held.Name})
	free := held.DeepCopy()
	free.Finalizers = nil
	if err := e.client.Patch(t.Context(), free, client.MergeFrom(held)); err != nil {
		t.Fatal(err)
	}
	e.mustReconcile(t, key)
	if err := e.client.Get(t.Context(), key, pool); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("pool: %v", fmt.Sprint(err))
	}
}
