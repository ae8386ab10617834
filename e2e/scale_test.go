package e2e

import (
	"os"
	"os/exec"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
)

// A team scales a pool through its TenantCluster, up and down; pods move before a worker goes.
func TestScale(t *testing.T) {
	te := alpha.get(t)
	te.setReplicas(t, "a", new(int32(2)))
	te.awaitReadyNodes(t, 2)
	const replicas = 4
	te.deployServer(t, "default", "spread", replicas)
	if nodes := te.nodesOf(t, "spread"); nodes.Len() != 2 {
		t.Fatalf("the pods of this story are on %v; it wants them on two nodes", nodes.UnsortedList())
	}

	t.Run("NetworkPolicies", func(t *testing.T) { testNetworkPolicies(t, te, "spread") })
	awaitObject(t, te.client, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "coredns"}},
		"a replica of cluster DNS on each worker",
		func(d *appsv1.Deployment) bool { return *d.Spec.Replicas == 2 && d.Status.AvailableReplicas == 2 })

	te.setReplicas(t, "a", new(int32(1)))
	te.awaitDrained(t)
	te.awaitReadyNodes(t, 1)
	awaitObject(t, te.client, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "spread"}},
		"Deployment spread complete on the worker that is left",
		func(d *appsv1.Deployment) bool { return d.Status.ReadyReplicas == replicas })
	if err := te.client.Delete(t.Context(), &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "spread"}}); err != nil {
		t.Fatal(err)
	}
}

// nodesOf are the Nodes on which the pods of a Deployment made by deployServer are.
func (te *tenant) nodesOf(t *testing.T, name string) sets.Set[string] {
	t.Helper()
	pods := &corev1.PodList{}
	if err := te.client.List(t.Context(), pods, client.InNamespace("default"), client.MatchingLabels{"app": name}); err != nil {
		t.Fatal(err)
	}
	nodes := sets.New[string]()
	for _, pod := range pods.Items {
		nodes.Insert(pod.Spec.NodeName)
	}
	return nodes
}

// awaitDrained waits until a Machine that is on its way out says that its pods have left. It says so before its guest is
// stopped, and says something else when the pods did not leave in time.
func (te *tenant) awaitDrained(t *testing.T) {
	t.Helper()
	hosted := client.InNamespace(te.Status.HostedNamespace)
	awaitObjects(t, env.management, &v1alpha1.Machine{}, "a Machine is drained before it goes", func(machines []*v1alpha1.Machine) bool {
		return slices.ContainsFunc(machines, func(m *v1alpha1.Machine) bool {
			drained := meta.FindStatusCondition(m.Status.Conditions, v1alpha1.ConditionDrained)
			return m.DeletionTimestamp != nil && drained != nil && drained.Status == metav1.ConditionTrue && drained.Reason == "Drained"
		})
	}, hosted)
}

// For a pool whose replicas the TenantCluster leaves out, kubectl scale nodepool does the same, and nobody sets it back.
func TestScaleNodePool(t *testing.T) {
	te := alpha.get(t)
	te.setReplicas(t, "a", nil)
	hosted := te.Status.HostedNamespace

	te.scaleNodePool(t, hosted, "a", "2")
	te.awaitReadyNodes(t, 2)
	te.scaleNodePool(t, hosted, "a", "1")
	te.awaitReadyNodes(t, 1)
	te.awaitReady(t)
}

// setReplicas changes one pool of the TenantCluster; nil leaves the number out.
func (te *tenant) setReplicas(t *testing.T, pool string, replicas *int32) {
	t.Helper()
	changed := &v1alpha1.TenantCluster{}
	if err := env.management.Get(t.Context(), client.ObjectKeyFromObject(te.TenantCluster), changed); err != nil {
		t.Fatal(err)
	}
	before := changed.DeepCopy()
	for i := range changed.Spec.NodePools {
		if changed.Spec.NodePools[i].Name == pool {
			changed.Spec.NodePools[i].Replicas = replicas
		}
	}
	if err := env.management.Patch(t.Context(), changed, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
}

func (te *tenant) scaleNodePool(t *testing.T, namespace, name, replicas string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), env.kubectl, "--kubeconfig", os.Getenv("KUBECONFIG"),
		"scale", "nodepool", "-n", namespace, name, "--replicas", replicas)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("kubectl scale nodepool: %v\n%s", err, output)
	}
}

// awaitReadyNodes waits until the pools have that many Machines, all Ready and none on its way out.
func (te *tenant) awaitReadyNodes(t *testing.T, want int) {
	t.Helper()
	te.await(t, "TenantCluster Ready after scaling", func(tc *v1alpha1.TenantCluster) bool {
		w := tc.Status.Workers
		return w != nil && w.Desired == int32(want) && w.Ready == int32(want)
	})
	awaitObjects(t, env.management, &v1alpha1.Machine{}, "Machines", func(machines []*v1alpha1.Machine) bool {
		return len(machines) == want
	}, client.InNamespace(te.Status.HostedNamespace))
	// A node that was just Ready carries its taint for a moment longer.
	awaitObjects(t, te.client, &corev1.Node{}, "Nodes that take pods", func(nodes []*corev1.Node) bool {
		return len(nodes) == want && !slices.ContainsFunc(nodes, func(n *corev1.Node) bool { return len(n.Spec.Taints) > 0 })
	})
}
