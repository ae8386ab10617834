package agent

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/testenv"
	"slipway.dev/operators/network/fabric"
)

// The last node that plugs a port in has it, though its cache has not heard of
// the node that had it in between.
func TestClaimDoesNotTrustTheCache(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(testenv.Start(t, testenv.SlipwayCRDs(3)), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	port := &v1alpha1.NetworkPort{
		ObjectMeta: metav1.ObjectMeta{Namespace: corev1.NamespaceDefault, Name: "worker"}, Spec: v1alpha1.NetworkPortSpec{NetworkName: "demo"},
	}
	if err := c.Create(t.Context(), port); err != nil {
		t.Fatal(err)
	}
	a := &Agent{Client: c, Writer: apply.NewWriter(c, Owner), Config: fabric.Config{NodeName: "here"}}
	claimed := func() *v1alpha1.NetworkPort {
		t.Helper()
		if err := a.claim(t.Context(), port, "c"); err != nil {
			t.Fatal(err)
		}
		current := &v1alpha1.NetworkPort{}
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(port), current); err != nil {
			t.Fatal(err)
		}
		if at := current.Status.Attachment; at == nil || at.NodeName != "here" || at.ContainerID != "c" {
			t.Errorf("attachment %+v, want container c on node here", at)
		}
		return current
	}
	port = claimed()
	elsewhere := slipwayac.NetworkPort(port.Name, port.Namespace).WithStatus(attached("there", "d"))
	if err := apply.Status(t.Context(), c, Owner, elsewhere); err != nil {
		t.Fatal(err)
	}
	claimed()
}
