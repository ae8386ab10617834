package tenantcluster

import (
	"context"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cluster"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/finalizer"
	"slipway.dev/kit/testenv"
	"slipway.dev/operators/cluster/deletion"
	"slipway.dev/operators/cluster/hosted"
)

func (e *environment) deleteCluster() {
	e.Helper()
	if err := e.client.Delete(e.Context(), e.cluster()); err != nil {
		e.Fatal(err)
	}
	e.clock.SetTime(e.cluster().DeletionTimestamp.Time)
}

func deletionOfARunningTenant(e *environment) {
	e.createCluster(pools(map[string]any{"name": "a"}))
	e.reconcile()
	e.issuePKI()
	e.connectNetwork()
	e.reconcile()
	identifier := &v1alpha1.VirtualNetworkID{
		ObjectMeta: metav1.ObjectMeta{Name: "4711"},
		Spec:       v1alpha1.VirtualNetworkIDSpec{NetworkRef: v1alpha1.NetworkReference{Namespace: e.hosted, Name: "demo", UID: "1"}},
	}
	e.create(identifier)
	// The kvm-operator holds the pool until its guests are gone.
	pool := &v1alpha1.NodePool{}
	e.get(pool, e.hosted, "a")
	pool.Finalizers = []string{"slipway.dev/kvm-operator"}
	if err := e.client.Update(e.Context(), pool); err != nil {
		e.Fatal(err)
	}

	e.releaseClaims()
	e.deleteCluster()
	result := e.reconcile()
	e.wantCondition(v1alpha1.ConditionReady, "False Deleting: workers, control plane and DNS: waiting for NodePool a")
	if result.RequeueAfter <= 0 || result.RequeueAfter > deletion.PodsBound {
		e.Errorf("looks again after %v", result.RequeueAfter)
	}
	e.gone(&appsv1.StatefulSet{}, e.hosted, "kube-apiserver")
	e.gone(&corev1.PersistentVolumeClaim{}, e.hosted, "data-etcd-0")
	e.get(&v1alpha1.TenantNetwork{}, e.hosted, "demo")

	e.get(pool, e.hosted, "a")
	pool.Finalizers = nil
	if err := e.client.Update(e.Context(), pool); err != nil {
		e.Fatal(err)
	}
	e.reconcile()
	e.gone(&v1alpha1.TenantPKI{}, e.hosted, "demo")
	e.reconcile()
	e.wantCondition(v1alpha1.ConditionReady, "False Deleting: namespace: waiting for Namespace "+e.hosted)
	e.collectNamespace()
	// However long that took, the identifier has the time of its own stage.
	e.advance(time.Hour)
	e.reconcile()
	e.wantCondition(v1alpha1.ConditionReady, "False Deleting: VirtualNetworkID: waiting for VirtualNetworkID 4711")
	status := e.cluster().Status
	if len(status.Residue) > 0 {
		e.Errorf("residue is %q", status.Residue)
	}
	if operation := status.Operation; operation == nil || operation.Type != v1alpha1.OperationDelete || operation.BlockedBy != "VirtualNetworkID" {
		e.Errorf("operation %+v, want the deletion, blocked by the VirtualNetworkID", operation)
	}
	var stages []string
	for _, step := range status.Timeline {
		stages = append(stages, step.Step)
	}
	if want := []string{"workers, control plane and DNS", "network and PKI", "namespace"}; !slices.Equal(stages, want) {
		e.Errorf("timeline %q, want %q", stages, want)
	}
	if err := e.client.Delete(e.Context(), identifier); err != nil {
		e.Fatal(err)
	}
	e.reconcile()
	e.gone(&v1alpha1.TenantCluster{}, e.team, "demo")
	e.gone(&corev1.Secret{}, e.team, "demo-kubeconfig")
}

func deletionGoesOnWithoutWhatHangs(e *environment) {
	e.createCluster(pools(map[string]any{"name": "a"}))
	e.reconcile()
	pool := &v1alpha1.NodePool{}
	e.get(pool, e.hosted, "a")
	pool.Finalizers = []string{"slipway.dev/kvm-operator"}
	if err := e.client.Update(e.Context(), pool); err != nil {
		e.Fatal(err)
	}
	e.releaseClaims()
	e.deleteCluster()
	e.reconcile()
	e.advance(deletion.PodsBound + 10*time.Second)
	e.reconcile()
	e.gone(&v1alpha1.TenantNetwork{}, e.hosted, "demo")
	// The namespace has the time of its own stage.
	e.wantCondition(v1alpha1.ConditionReady, "False Deleting: namespace: waiting for Namespace "+e.hosted)
	if got := e.cluster().Status.Residue; !slices.Equal(got, []string{"NodePool a"}) {
		e.Errorf("residue is %q, want NodePool a", got)
	}
	e.advance(2 * time.Minute)
	e.reconcile()
	want := []string{"NodePool a", "Namespace " + e.hosted}
	if got := e.cluster().Status.Residue; !slices.Equal(got, want) {
		e.Errorf("residue is %q, want %q", got, want)
	}
	e.wantCondition(v1alpha1.ConditionReady, "False Deleting: workers, control plane and DNS: waiting for NodePool a and 1 more")
}

func deletionOfAHalfCreatedTenant(e *environment) {
	e.createCluster(pools())
	cluster := e.cluster()
	// The operator died after its first write.
	if err := finalizer.Ensure(e.Context(), e.client, cluster, Finalizer); err != nil {
		e.Fatal(err)
	}
	e.deleteCluster()
	e.reconcile()
	e.gone(&v1alpha1.TenantCluster{}, e.team, "demo")
}

// A TenantCluster goes, too, where the operator has never been let into the
// team's namespace: with the caches and the rights that it has.
func deletionWithoutAGrant(e *environment) {
	e.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: e.hosted}})
	e.createCluster(pools())
	e.reconcile()
	e.gone(&rbacv1.RoleBinding{}, e.team, v1alpha1.GrantClusterOperator)
	e.deleteCluster()

	operator := e.operator()
	reader := hosted.NewReader(operator.GetClient(), operator.GetAPIReader())
	e.reconciler = New(operator.GetClient(), reader, hosted.NewGrants(operator.GetClient(), testenv.ChartNamespace), testConfig(), e.clock, e.recorder)
	e.reconcileOnce()
	e.gone(&v1alpha1.TenantCluster{}, e.team, "demo")
}

// operator runs the caches of the operator, with the rights that the chart gives.
func (e *environment) operator() cluster.Cluster {
	e.Helper()
	options, err := hosted.CacheOptions()
	if err != nil {
		e.Fatal(err)
	}
	account := testenv.Account(e, e.config, "../../../../charts/cluster-operator", "cluster-operator")
	operator, err := cluster.New(account, func(o *cluster.Options) {
		o.Scheme, o.Cache, o.NewCache = newScheme(e), options, hosted.NewCache
	})
	if err != nil {
		e.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- operator.Start(ctx) }()
	e.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			e.Errorf("end caches: %v", err)
		}
	})
	if !operator.GetCache().WaitForCacheSync(ctx) {
		e.Fatal("caches did not sync")
	}
	return operator
}
