package hostnetwork

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/conditions"
	"slipway.dev/kit/testenv"
)

// What is said of a host is written when it changes, and then once. Events tell
// when it becomes Ready and when it no longer is.
func TestReadyIsWrittenAndToldOnce(t *testing.T) {
	config := testenv.Start(t, testenv.SlipwayCRDs(4))
	scheme := testenv.Scheme(t, corev1.AddToScheme, v1alpha1.AddToScheme)
	admin := testenv.Client(t, config, scheme)
	restricted := testenv.Account(t, config, "../../../../charts/network-operator", "network-operator")
	writes := testenv.CountWrites(restricted)
	operator := testenv.Cached(testenv.Client(t, restricted, scheme), admin)
	host := &v1alpha1.HostNetwork{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: v1alpha1.HostNetworkSpec{VTEP: "192.0.2.1", MTU: 1500}}
	must(t, admin.Create(t.Context(), host))
	recorder := events.NewFakeRecorder(10)
	reconciler := &Reconciler{
		Client: operator, Writer: apply.NewWriter(operator, Owner), Events: Events{recorder}, AgentNamespace: testenv.ChartNamespace,
	}
	says := func(reason string, told ...string) {
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
		if diff := cmp.Diff(told, testenv.Told(recorder)); diff != "" {
			t.Errorf("%s: events (-want +got):\n%s", reason, diff)
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
	reports := func(programmed metav1.Condition) {
		t.Helper()
		status := slipwayac.HostNetworkStatus().WithConditions(conditions.Apply(nil, host.Generation, programmed)...)
		must(t, apply.Status(t.Context(), admin, "network-agent", slipwayac.HostNetwork(host.Name).WithStatus(status)))
	}
	works := conditions.True(v1alpha1.ConditionProgrammed, "Programmed", "")
	reports(works)
	says("Programmed", "Normal HostReady Node is programmed, and its agent reports")
	fails := conditions.False(v1alpha1.ConditionProgrammed, "ProgrammingFailed", "NetworkPort a/b: replace nftables table")
	reports(fails)
	says("ProgrammingFailed", "Warning ProgrammingFailed NetworkPort a/b: replace nftables table")
	reports(works)
	says("Programmed", "Normal HostReady Node is programmed, and its agent reports")
	must(t, admin.Delete(t.Context(), pod, client.GracePeriodSeconds(0)))
	says("AgentNotReady", "Warning AgentNotReady there is no network-agent on Node a to report")
	// An operator that has just started tells nothing anew, nor does one whose
	// cache is behind.
	reconciler.Writer = apply.NewWriter(operator, Owner)
	_, err := reconciler.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(host)})
	must(t, err)
	late := host.DeepCopy()
	meta.FindStatusCondition(late.Status.Conditions, v1alpha1.ConditionReady).Status = metav1.ConditionTrue
	reports(fails) // late is of the version before
	if err := reconciler.report(t.Context(), late, conditions.Unknown(v1alpha1.ConditionReady, "AgentNotReady", "")); !apierrors.IsConflict(err) {
		t.Errorf("error %v, want a conflict", err)
	}
	if told := testenv.Told(recorder); len(told) > 0 {
		t.Errorf("events %q", told)
	}
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
