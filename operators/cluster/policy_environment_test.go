package main

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/testenv"
)

// policies is an API server on which what the chart says of access is installed.
type policies struct {
	config *rest.Config
	scheme *runtime.Scheme
	// admin is in system:masters.
	admin client.Client
	// hosted is the hosted namespace of team/demo.
	hosted string
}

func newPolicies(t *testing.T, kinds ...string) *policies {
	t.Helper()
	ctrl.SetLogger(logr.Discard())
	p := &policies{
		config: testenv.Start(t, testenv.SlipwayCRDs(2), "testdata/dnsendpoints.yaml"),
		scheme: testenv.Scheme(t, clientgoscheme.AddToScheme, v1alpha1.AddToScheme), hosted: v1alpha1.HostedNamespace("team", "demo"),
	}
	p.admin = p.as(t, rest.ImpersonationConfig{})
	p.install(t, kinds...)
	p.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team"}})
	p.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: p.hosted, Labels: map[string]string{
		v1alpha1.LabelTenant: p.hosted, v1alpha1.LabelTenantName: "demo", v1alpha1.LabelTenantNamespace: "team",
	}}})
	return p
}

// install what the chart has of some kinds.
func (p *policies) install(t *testing.T, kinds ...string) {
	t.Helper()
	for _, object := range testenv.Chart(t, umbrellaChart, chartValues...) {
		if slices.Contains(kinds, object.GetKind()) {
			p.create(t, object)
		}
	}
}

func (p *policies) create(t *testing.T, object client.Object) {
	t.Helper()
	if err := p.admin.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}

// as is a client of somebody who is authenticated; of the administrator when empty.
func (p *policies) as(t *testing.T, who rest.ImpersonationConfig) client.Client {
	t.Helper()
	config := rest.CopyConfig(p.config)
	if who.UserName != "" {
		who.Groups = append(slices.Clone(who.Groups), "system:authenticated")
	}
	config.Impersonate = who
	return testenv.Client(t, config, p.scheme)
}

func (p *policies) user(t *testing.T, name string, groups ...string) client.Client {
	t.Helper()
	return p.as(t, rest.ImpersonationConfig{UserName: name, Groups: groups})
}

func serviceAccount(name string) string {
	return "system:serviceaccount:" + testenv.ChartNamespace + ":" + name
}

// awaitEnforced waits until the API server has compiled the policies.
func (p *policies) awaitEnforced(t *testing.T, refused func() error) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		return apierrors.IsForbidden(refused()), nil
	})
	if err != nil {
		t.Fatalf("policies are not enforced: %v", refused())
	}
}

// grantEverything lets everybody do everything with Slipway's objects as far as
// RBAC goes, so that what is refused is refused by the policies.
func (p *policies) grantEverything(t *testing.T) {
	t.Helper()
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "everything-of-slipway"},
		Rules: []rbacv1.PolicyRule{{APIGroups: []string{"slipway.dev", "externaldns.k8s.io"}, Resources: []string{"*"}, Verbs: []string{"*"}}}}
	p.create(t, role)
	p.create(t, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "system:authenticated"}},
	})
}

// child reads an object of Slipway's API; cluster-wide kinds have no namespace.
func child(t *testing.T, kind, namespace, text string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &object.Object); err != nil {
		t.Fatal(err)
	}
	object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
	if kind != "VirtualNetworkID" && kind != "HostNetwork" {
		object.SetNamespace(namespace)
	}
	return object
}
