package main

import (
	"context"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/testenv"
)

// testBecomesHosted: a pool that was seen before its namespace is not forgotten.
func (w *world) testBecomesHosted(t *testing.T) {
	name := v1alpha1.HostedNamespace("team", "late")
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
		v1alpha1.LabelTenant: name, v1alpha1.LabelTenantName: "late", v1alpha1.LabelTenantNamespace: "team",
	}}}
	pool := w.nodePool("a", 1)
	pool.Namespace = name
	w.create(t, w.management, namespace, pool)
	reads(t, w.management, name, "a", &v1alpha1.NodePool{}, func(pool *v1alpha1.NodePool) error {
		return hasCondition(pool.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionFalse, "NotHosted")
	})
	hosted := namespace.DeepCopy()
	hosted.Annotations = map[string]string{v1alpha1.AnnotationTenantUID: "uid"}
	if err := w.management.Patch(t.Context(), hosted, client.MergeFrom(namespace)); err != nil {
		t.Fatal(err)
	}
	reads(t, w.management, name, "a", &v1alpha1.NodePool{}, func(pool *v1alpha1.NodePool) error {
		if pool.Status.Replicas != 1 {
			return fmt.Errorf("status %+v", pool.Status)
		}
		return nil
	})
}

// testNamespaceGoes deletes the hosted namespace of testBecomesHosted by hand. The
// namespace controller removes its RoleBindings among the first, and there is a
// finalizer of the operator's left.
func (w *world) testNamespaceGoes(t *testing.T) {
	name := v1alpha1.HostedNamespace("team", "late")
	testenv.Grant(t, w.management, name, v1alpha1.GrantKVMOperator, v1alpha1.HostedRole(v1alpha1.GrantKVMOperator))
	eventually(t, "a NIC", func(ctx context.Context) error {
		ports := &v1alpha1.NetworkPortList{}
		if err := w.management.List(ctx, ports, client.InNamespace(name)); err != nil || len(ports.Items) == 0 {
			return fmt.Errorf("%d NetworkPorts: %w", len(ports.Items), err)
		}
		return nil
	})
	w.remove(t, w.management, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	w.remove(t, w.management, &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: v1alpha1.GrantKVMOperator}})
	w.remove(t, w.management, &v1alpha1.NodePool{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: "a"}})
	gone(t, w.management, name, "a", &v1alpha1.NodePool{})
	machines := &v1alpha1.MachineList{}
	if err := w.management.List(t.Context(), machines, client.InNamespace(name)); err != nil || len(machines.Items) > 0 {
		t.Errorf("%d Machines are left, %v", len(machines.Items), err)
	}
}
