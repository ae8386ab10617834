package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
)

// operatorNamespace is where the charts put the operators.
const operatorNamespace = "slipway-system"

var operators = []string{"cluster-operator", "cert-operator", "network-operator", "kvm-operator", "dns-operator"}

// Every operator is killed once while a tenant comes up: the tenant still
// comes up, and nothing is made twice.
func TestOperatorsKilled(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	te := submit(t, specification("team-restart", "main"))

	// The moments are conditions becoming true, so that each is somewhere in the middle of the creation.
	moments := []string{"", v1alpha1.ConditionNetworkReady, v1alpha1.ConditionPKIReady, v1alpha1.ConditionControlPlaneReady, v1alpha1.ConditionAddonsReady}
	random.Shuffle(len(moments), func(i, j int) { moments[i], moments[j] = moments[j], moments[i] })
	killAt := map[string][]string{}
	for i, operator := range operators {
		killAt[moments[i]] = append(killAt[moments[i]], operator)
	}
	for _, operator := range killAt[""] {
		killOperator(t, operator)
	}
	delete(killAt, "")
	te.await(t, "conditions at which operators are killed", func(tc *v1alpha1.TenantCluster) bool {
		for moment, names := range killAt {
			if !isTrue(tc.Status.Conditions, moment, tc.Generation) {
				continue
			}
			for _, operator := range names {
				t.Logf("killing %s at %s", operator, moment)
				killOperator(t, operator)
			}
			delete(killAt, moment)
		}
		return len(killAt) == 0
	})
	te.awaitReady(t)
	te.proveNothingTwice(t)
}

// proveNothingTwice: one worker, one guest, one NIC each, one VNI.
func (te *tenant) proveNothingTwice(t *testing.T) {
	t.Helper()
	hosted := client.InNamespace(te.Status.HostedNamespace)
	count := func(list client.ObjectList, want int, options ...client.ListOption) {
		t.Helper()
		if err := env.management.List(t.Context(), list, options...); err != nil {
			t.Fatal(err)
		}
		if got := meta.LenList(list); got != want {
			t.Errorf("%T has %d items, want %d", list, got, want)
		}
	}
	count(&v1alpha1.MachineList{}, 1, hosted)
	count(&v1alpha1.NetworkPortList{}, 2, hosted) // the worker and the API server
	count(&corev1.PodList{}, 1, hosted, client.MatchingLabels{"kubevirt.io": "virt-launcher"})
	ids := &v1alpha1.VirtualNetworkIDList{}
	if err := env.management.List(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	var own []string
	for _, id := range ids.Items {
		if id.Spec.NetworkRef.Namespace == te.Status.HostedNamespace {
			own = append(own, id.Name)
		}
	}
	if len(own) != 1 {
		t.Errorf("the tenant has VNIs %v, want one", own)
	}
	nodes := &corev1.NodeList{}
	if err := te.client.List(t.Context(), nodes); err != nil {
		t.Fatal(err)
	}
	if len(nodes.Items) != 1 {
		t.Errorf("the tenant has %d nodes, want 1", len(nodes.Items))
	}
}

// killOperator ends an operator's pods at once, as a crash would.
func killOperator(t *testing.T, name string) {
	t.Helper()
	err := env.management.DeleteAllOf(t.Context(), &corev1.Pod{}, client.InNamespace(operatorNamespace),
		client.MatchingLabels{"app.kubernetes.io/name": name}, client.GracePeriodSeconds(0))
	if err != nil {
		t.Fatal(err)
	}
}

// stopOperator scales an operator to nothing; it comes back at the end of the story.
func stopOperator(t *testing.T, name string) {
	t.Helper()
	scaleOperator(t, name, 0)
	t.Cleanup(func() { startOperator(t, name) })
	awaitNone(t, env.management, &corev1.Pod{}, name+" stopped",
		client.InNamespace(operatorNamespace), client.MatchingLabels{"app.kubernetes.io/name": name})
}

func startOperator(t *testing.T, name string) {
	t.Helper()
	scaleOperator(t, name, 1)
}

func scaleOperator(t *testing.T, name string, replicas int32) {
	t.Helper()
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: name}}
	scale := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: replicas}}
	if err := env.management.SubResource("scale").Update(context.Background(), deployment, client.WithSubResourceBody(scale)); err != nil {
		t.Errorf("scale %s: %v", name, err)
	}
}

func statefulSet(namespace, name string) *appsv1.StatefulSet {
	return &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}

// vniMark is how names of links and namespaces carry a VNI.
func vniMark(vni int32) string { return fmt.Sprintf("%06x", vni) }
