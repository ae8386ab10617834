package e2e

import (
	"maps"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/e2e/hostile"
)

// blackhole is an address of the tenant's own network that nobody has.
const blackhole = "10.200.0.250"

// While one tenant does everything that its admin can to stall, starve or deceive the operators, another is created,
// scaled and deleted. No operator restarts, and the hostile tenant's status says what is wrong with it.
func TestHostile(t *testing.T) {
	bad := submit(t, specification("team-hostile", "bad"))
	bad.awaitReady(t)
	nodes := &corev1.NodeList{}
	if err := bad.client.List(t.Context(), nodes); err != nil {
		t.Fatal(err)
	}
	before := operatorRestarts(t)
	server := pushProgram(t, "hostile-server", "./hostile/server")
	attack, err := hostile.Start(t.Context(), bad.config, blackhole, nodes.Items[0].Name, server)
	if err != nil {
		t.Fatalf("attack: %v", err)
	}
	t.Cleanup(attack.Stop)
	// Its worker is drained of two thousand pods that may not be evicted.
	bad.setReplicas(t, "a", new(int32(0)))

	good := submit(t, specification("team-good", "good"))
	good.awaitReady(t)
	good.setReplicas(t, "a", new(int32(2)))
	good.awaitReadyNodes(t, 2)
	good.deleteAndProve(t)

	bad.await(t, "the hostile tenant is not called ready", func(tc *v1alpha1.TenantCluster) bool {
		ready := meta.FindStatusCondition(tc.Status.Conditions, v1alpha1.ConditionReady)
		return ready != nil && ready.Status != metav1.ConditionTrue && ready.Message != ""
	})
	if after := operatorRestarts(t); !maps.Equal(before, after) {
		t.Errorf("operators were restarted: %v, before the attack %v", after, before)
	}
	attack.Stop()
	bad.deleteAndProve(t)
}

// operatorRestarts are the restarts of each container of the operators' pods.
func operatorRestarts(t *testing.T) map[string]int32 {
	t.Helper()
	pods := &corev1.PodList{}
	if err := env.management.List(t.Context(), pods, client.InNamespace(operatorNamespace)); err != nil {
		t.Fatal(err)
	}
	restarts := map[string]int32{}
	for _, pod := range pods.Items {
		for _, container := range pod.Status.ContainerStatuses {
			restarts[pod.Name+"/"+container.Name] = container.RestartCount
		}
	}
	return restarts
}
