package hostnetwork

import (
	"maps"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/testenv"
)

// What is said of a host is written when it changes, and then once.
func TestReadyIsWrittenOnce(t *testing.T) {
	config := testenv.Start(t, testenv.SlipwayCRDs(4))
	scheme := testenv.Scheme(t, corev1.AddToScheme, v1alpha1.AddToScheme)
	admin := testenv.Client(t, config, scheme)
	restricted := testenv.Account(t, config, "../../../../charts/network-operator", "network-operator")
	writes := testenv.CountWrites(restricted)
	operator := testenv.Cached(testenv.Client(t, restricted, scheme), admin)
	host := &v1alpha1.HostNetwork{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: v1alpha1.HostNetworkSpec{VTEP: "192.0.2.1", MTU: 1500}}
	must(t, admin.Create(t.Context(), host))
	reconciler := &Reconciler{Client: operator, Writer: apply.NewWriter(operator, Owner), AgentNamespace: testenv.ChartNamespace}
	says := func(reason string) {
		t.Helper()
		for pass, want := range []int64{1, 0} {
			before := writes.Load()
			_, err := reconciler.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(host)})
			must(t, err)
			if got := writes.Load() - before; got != want {
				t.Errorf("%s: %d writes in pass %d, want %d", reason, got, pass+1, want)
			}
		}
		must(t, admin.Get(t.Context(), client.ObjectKeyFromObject(host), host))
		if ready := meta.FindStatusCondition(host.Status.Conditions, v1alpha1.ConditionReady); ready == nil || ready.Reason != reason {
			t.Errorf("Ready is %+v, want reason %s", ready, reason)
		}
	}
	says("NodeGone")
	there := node(corev1.ConditionTrue)
	there.Name = host.Name
	status := there.Status
	must(t, admin.Create(t.Context(), there))
	there.Status = status
	must(t, admin.Status().Update(t.Context(), there))
	readyPod(t, admin, "agent-of-another", "b", agentLabels)
	readyPod(t, admin, "no-agent", host.Name, map[string]string{"app.kubernetes.io/name": "network-operator"})
	says("AgentNotReady")
	pod := readyPod(t, admin, "agent", host.Name, agentLabels)
	says("NotReported")
	must(t, admin.Delete(t.Context(), pod, client.GracePeriodSeconds(0)))
	says("AgentNotReady")
}

func readyPod(t *testing.T, c client.Client, name, node string, labels map[string]string) *corev1.Pod {
	t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: testenv.ChartNamespace, Name: name, Labels: maps.Clone(labels)},
		Spec:       corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "c", Image: "registry.test/c"}}},
	}
	must(t, c.Create(t.Context(), pod))
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	must(t, c.Status().Update(t.Context(), pod))
	return pod
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
