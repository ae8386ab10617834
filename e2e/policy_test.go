package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// testNetworkPolicies keeps the pods of a Deployment made by deployServer from each other, wherever they are, and lets
// them connect again.
func testNetworkPolicies(t *testing.T, te *tenant, name string) {
	pods := &corev1.PodList{}
	if err := te.client.List(t.Context(), pods, client.InNamespace("default"), client.MatchingLabels{"app": name}); err != nil {
		t.Fatal(err)
	}
	from := &pods.Items[0]
	// connects fails for each other pod that can be reached, or cannot, against what is wanted.
	connects := func(want bool) error {
		var wrong []error
		for _, pod := range pods.Items[1:] {
			err := te.connectFrom(t, from, target{name: pod.Name, host: pod.Status.PodIP, port: 8080})
			switch {
			case want && err != nil:
				wrong = append(wrong, fmt.Errorf("from %s to %s: %w", from.Spec.NodeName, pod.Spec.NodeName, err))
			case !want && err == nil:
				wrong = append(wrong, fmt.Errorf("from %s to %s: connected", from.Spec.NodeName, pod.Spec.NodeName))
			}
		}
		return errors.Join(wrong...)
	}
	if err := connects(true); err != nil {
		t.Fatalf("without a policy: %v", err)
	}

	selector := metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}
	policy := func(name string, ingress ...networkingv1.NetworkPolicyIngressRule) {
		t.Helper()
		made := &networkingv1.NetworkPolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
			Spec: networkingv1.NetworkPolicySpec{
				PodSelector: selector, PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}, Ingress: ingress,
			},
		}
		if err := te.client.Create(t.Context(), made); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := te.client.Delete(context.Background(), made); err != nil {
				t.Error(err)
			}
		})
	}
	policy("deny-all")
	poll(t, "with a policy that denies", func() error { return connects(false) })
	policy("allow-each-other", networkingv1.NetworkPolicyIngressRule{From: []networkingv1.NetworkPolicyPeer{{PodSelector: &selector}}})
	poll(t, "with a policy that allows too", func() error { return connects(true) })
}
