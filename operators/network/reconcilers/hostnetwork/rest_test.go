package hostnetwork

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/testenv"
)

// What is said of a host is written when it changes, and then once.
func TestReadyIsWrittenOnce(t *testing.T) {
	config := testenv.Start(t, testenv.SlipwayCRDs(4))
	scheme := runtime.NewScheme()
	must(t, corev1.AddToScheme(scheme))
	must(t, v1alpha1.AddToScheme(scheme))
	admin, err := client.New(config, client.Options{Scheme: scheme})
	must(t, err)
	restricted := testenv.As(t, config, "../../../../charts/network-operator/templates/clusterrole.yaml")
	writes := testenv.CountWrites(restricted)
	operator, err := client.New(restricted, client.Options{Scheme: scheme})
	must(t, err)
	host := &v1alpha1.HostNetwork{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: v1alpha1.HostNetworkSpec{VTEP: "192.0.2.1", MTU: 1500}}
	must(t, admin.Create(t.Context(), host))
	reconciler := &Reconciler{Client: operator, Writer: apply.NewWriter(operator, Owner)}
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
	says("NotReported")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
