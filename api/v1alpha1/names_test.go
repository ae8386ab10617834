package v1alpha1

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestIsHostedNamespace(t *testing.T) {
	hosted := HostedNamespace("team", "demo")
	for name, test := range map[string]struct {
		change func(*metav1.ObjectMeta)
		want   bool
	}{
		"as the cluster-operator makes it": {func(*metav1.ObjectMeta) {}, true},
		"without labels":                   {func(o *metav1.ObjectMeta) { o.Labels = nil }, false},
		"without the tenant's UID":         {func(o *metav1.ObjectMeta) { o.Annotations = nil }, false},
		"without the tenant's name":        {func(o *metav1.ObjectMeta) { delete(o.Labels, LabelTenantName) }, false},
		"without the tenant's namespace":   {func(o *metav1.ObjectMeta) { delete(o.Labels, LabelTenantNamespace) }, false},
		"labelled for another namespace":   {func(o *metav1.ObjectMeta) { o.Labels[LabelTenant] = "tenant-other" }, false},
		"named for another tenant":         {func(o *metav1.ObjectMeta) { o.Labels[LabelTenantName] = "other" }, false},
		"a team's own with all labels of a tenant": {func(o *metav1.ObjectMeta) {
			o.Name, o.Labels[LabelTenant] = "team", "team"
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			namespace := &metav1.ObjectMeta{
				Name:        hosted,
				Labels:      map[string]string{LabelTenant: hosted, LabelTenantNamespace: "team", LabelTenantName: "demo"},
				Annotations: map[string]string{AnnotationTenantUID: "uid"},
			}
			test.change(namespace)
			if got := IsHostedNamespace(namespace); got != test.want {
				t.Errorf("IsHostedNamespace(%+v) = %v, want %v", namespace, got, test.want)
			}
		})
	}
}
