package main

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
)

// What operators watch by its label is made in hosted namespaces alone.
func TestTenantLabelsPolicy(t *testing.T) {
	p := newPolicies(t)
	labels := map[string]string{v1alpha1.LabelTenant: "x"}
	selected := map[string]string{"app": "a"}
	pod := corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}}
	objects := func(namespace string) []client.Object {
		meta := func() metav1.ObjectMeta {
			return metav1.ObjectMeta{Namespace: namespace, Name: "forged", Labels: labels}
		}
		template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: selected}, Spec: pod}
		selector := &metav1.LabelSelector{MatchLabels: selected}
		return []client.Object{
			&appsv1.Deployment{ObjectMeta: meta(), Spec: appsv1.DeploymentSpec{Selector: selector, Template: template}},
			&appsv1.StatefulSet{ObjectMeta: meta(), Spec: appsv1.StatefulSetSpec{Selector: selector, Template: template}},
			&corev1.Pod{ObjectMeta: meta(), Spec: pod},
			&corev1.Service{ObjectMeta: meta(), Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 1}}}},
			&corev1.ResourceQuota{ObjectMeta: meta()},
		}
	}
	// From before there was a policy.
	left := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "left", Labels: labels, Finalizers: []string{"example.com/keep"}}}
	p.create(t, left)
	p.install(t, "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
	p.awaitEnforced(t, func() error {
		return p.admin.Create(t.Context(), objects("team")[0], client.DryRunAll)
	})

	const message = "the label slipway.dev/tenant is of what Slipway makes in hosted namespaces, and Namespace team is none; leave the label out"
	for _, object := range objects("team") {
		wantMessage(t, p.admin.Create(t.Context(), object), message)
		object.SetLabels(nil)
		wantMessage(t, p.admin.Create(t.Context(), object), "")
		object.SetLabels(labels)
		wantMessage(t, p.admin.Update(t.Context(), object), message)
	}
	for _, object := range objects(p.hosted) {
		wantMessage(t, p.admin.Create(t.Context(), object), "")
	}

	left.Annotations = map[string]string{"a": "b"}
	wantMessage(t, p.admin.Update(t.Context(), left), message)
	wantMessage(t, p.admin.Delete(t.Context(), left), "")
	remove := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))
	wantMessage(t, client.IgnoreNotFound(p.admin.Patch(t.Context(), left, remove)), "")
}
