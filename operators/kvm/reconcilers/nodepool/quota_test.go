package nodepool_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
)

// testQuota has a quota refuse a Machine: it is named.
func (e environment) testQuota(t *testing.T) {
	key := e.pool(t, "quota", 1)
	none := corev1.ResourceList{"count/machines.slipway.dev": resource.MustParse("0")}
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: "few"}, Spec: corev1.ResourceQuotaSpec{Hard: none},
	}
	if err := e.client.Create(t.Context(), quota); err != nil {
		t.Fatal(err)
	}
	quota.Status = corev1.ResourceQuotaStatus{Hard: none, Used: none}
	if err := e.client.Status().Update(t.Context(), quota); err != nil {
		t.Fatal(err)
	}
	if err := e.reconcile(t, key, e.client); err == nil {
		t.Fatal("a Machine was made beyond the quota")
	}
	pool := e.change(t, key, func(*v1alpha1.NodePool) {})
	ready := meta.FindStatusCondition(pool.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.Status != metav1.ConditionFalse || ready.Reason != "Refused" || !strings.Contains(ready.Message, "exceeded quota: few") {
		t.Errorf("Ready is %+v, want that it names the quota", ready)
	}
}
