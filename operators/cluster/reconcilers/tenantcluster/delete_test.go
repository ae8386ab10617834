package tenantcluster

import (
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/report"
)

func (e *environment) deleteCluster() {
	e.Helper()
	if err := e.client.Delete(e.Context(), e.cluster()); err != nil {
		e.Fatal(err)
	}
	e.now = e.cluster().DeletionTimestamp.Time
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
	if result.RequeueAfter <= 0 || result.RequeueAfter > podsBound {
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
	e.reconcile()
	e.wantCondition(v1alpha1.ConditionReady, "False Deleting: VirtualNetworkID: waiting for VirtualNetworkID 4711")
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
	e.now = e.now.Add(podsBound + 10*time.Second)
	e.reconcile()
	e.gone(&v1alpha1.TenantNetwork{}, e.hosted, "demo")
	// To the clock that was put forward, the namespace has been going for minutes already.
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
	if err := e.reconciler.setFinalizers(e.Context(), cluster, Finalizer); err != nil {
		e.Fatal(err)
	}
	e.deleteCluster()
	e.reconcile()
	e.gone(&v1alpha1.TenantCluster{}, e.team, "demo")
}

func TestControlPlaneObjects(t *testing.T) {
	named := metav1.ObjectMeta{Name: "x"}
	everything := observation{
		workloads: report.Workloads{
			StatefulSets: []appsv1.StatefulSet{{ObjectMeta: named}},
			Deployments:  []appsv1.Deployment{{ObjectMeta: named}},
			Pods:         []corev1.Pod{{ObjectMeta: named}},
			Claims:       []corev1.PersistentVolumeClaim{{ObjectMeta: named}},
		},
		ports: []v1alpha1.NetworkPort{{ObjectMeta: metav1.ObjectMeta{
			Name: "x", Labels: map[string]string{controlplane.LabelComponent: controlplane.APIServer},
		}}},
	}
	pods := everything
	pods.workloads.StatefulSets, pods.workloads.Deployments = nil, nil
	used := pods
	used.workloads.Pods = nil
	for _, test := range []struct {
		name string
		seen observation
		want []string
	}{
		{"workloads", everything, []string{"StatefulSet x", "Deployment x"}},
		{"pods", pods, []string{"Pod x"}},
		{"what they used", used, []string{"PersistentVolumeClaim x", "NetworkPort x"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, object := range controlPlaneObjects(&test.seen) {
				got = append(got, object.String())
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}
