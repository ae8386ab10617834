package e2e

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
)

// A tenant whose etcd is full is told so, and once it has deleted something it takes writes again, without anybody's help.
func TestEtcdFull(t *testing.T) {
	spec := specification("team-etcd", "full")
	spec.Spec.NodePools = nil
	spec.Spec.ControlPlane.Etcd.Storage = resource.MustParse("512Mi")
	te := submit(t, spec)
	te.awaitReady(t)

	blob := func(n int) *corev1.ConfigMap {
		return &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: fmt.Sprintf("blob-%d", n), Labels: map[string]string{"blob": ""}},
			Data:       map[string]string{"blob": strings.Repeat("x", 1_000_000)},
		}
	}
	const most = 512
	n := 0
	for ; ; n++ {
		if n == most {
			t.Fatalf("%d objects of one megabyte fit into 512 MiB", most)
		}
		if err := te.client.Create(t.Context(), blob(n)); err != nil {
			if !strings.Contains(err.Error(), "database space exceeded") {
				t.Fatalf("fill etcd: %v", err)
			}
			break
		}
	}
	te.await(t, "it is said that etcd is full", func(tc *v1alpha1.TenantCluster) bool {
		ready := meta.FindStatusCondition(tc.Status.Conditions, v1alpha1.ConditionReady)
		return ready != nil && ready.Status == metav1.ConditionFalse && ready.Reason == "EtcdFull"
	})
	if err := te.client.DeleteAllOf(t.Context(), &corev1.ConfigMap{}, client.InNamespace(metav1.NamespaceDefault), client.HasLabels{"blob"}); err != nil {
		t.Fatalf("delete what fills etcd: %v", err)
	}
	te.awaitReady(t)
	if err := te.client.Create(t.Context(), blob(n)); err != nil {
		t.Errorf("etcd takes no writes: %v", err)
	}
}
