package audit_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"slipway.dev/e2e/audit"
	"slipway.dev/kit/testenv"
)

// What a real API server logs with the sandbox's policy shows every permission
// that was used, those of an informer and of server-side apply too, and nothing
// of others.
func TestAgainstAPIServer(t *testing.T) {
	ctrl.SetLogger(logr.Discard())
	log := filepath.Join(t.TempDir(), "audit.log")
	admin, account := startServer(t, log)
	policy := audit.Policy{
		ClusterRoles: []rbacv1.ClusterRole{{ObjectMeta: metav1.ObjectMeta{Name: "r"}, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get", "list", "watch", "create", "patch", "delete"}},
			{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"get", "list", "watch"}},
			{APIGroups: []string{""}, Resources: []string{"namespaces/status"}, Verbs: []string{"patch"}},
		}}},
		ClusterRoleBindings: []rbacv1.ClusterRoleBinding{{
			ObjectMeta: metav1.ObjectMeta{Name: "r"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "r"},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "slipway-system", Name: "dns-operator"}},
		}},
	}
	for _, object := range []client.Object{&policy.ClusterRoles[0], &policy.ClusterRoleBindings[0]} {
		if err := admin.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	useSome(t, account)

	var requests []audit.Request
	for _, request := range collect(t, audit.Open(log)) {
		if request.User != dns {
			t.Errorf("the log has a request of %s", request.User)
		}
		requests = append(requests, request)
	}
	var unused []string
	for _, p := range audit.Unused(policy.Granted("slipway-system"), slices.Values(requests)) {
		unused = append(unused, p.String())
	}
	want := []string{"dns-operator: delete configmaps", "dns-operator: get namespaces", "dns-operator: patch namespaces/status"}
	if diff := cmp.Diff(want, unused); diff != "" {
		t.Errorf("unused permissions (-want +got):\n%s\nrequests: %+v", diff, requests)
	}
}

// startServer gives a client of its administrator and a service account's configuration.
func startServer(t *testing.T, log string) (client.Client, *rest.Config) {
	t.Helper()
	environment := &envtest.Environment{BinaryAssetsDirectory: filepath.Dir(testenv.Binary(t, "kube-apiserver"))}
	policy, err := filepath.Abs("../../sandbox/controlplane/audit.yaml")
	if err != nil {
		t.Fatal(err)
	}
	environment.ControlPlane.GetAPIServer().Configure().
		Set("audit-policy-file", policy).Set("audit-log-path", log)
	config, err := environment.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Error(err)
		}
	})
	user, err := environment.AddUser(envtest.User{Name: dns, Groups: []string{"system:serviceaccounts:slipway-system"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return admin, user.Config()
}

// useSome reads Namespaces as an informer does, and applies, reads and lists
// ConfigMaps. It tries what it may not do, which is no use of a permission.
func useSome(t *testing.T, config *rest.Config) {
	t.Helper()
	c, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	object := func() *corev1ac.ConfigMapApplyConfiguration { return corev1ac.ConfigMap("a", "default") }
	if err := c.Apply(t.Context(), object(), client.FieldOwner("test")); err != nil {
		t.Fatal(err)
	}
	key := client.ObjectKey{Namespace: "default", Name: "a"}
	if err := c.Get(t.Context(), key, &corev1.ConfigMap{}); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}}); !apierrors.IsForbidden(err) {
		t.Fatalf("deleting what may not be deleted: %v", err)
	}
	informers, err := cache.New(config, cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = informers.Start(t.Context()) }()
	for _, watched := range []client.Object{&corev1.ConfigMap{}, &corev1.Namespace{}} {
		if _, err := informers.GetInformer(t.Context(), watched); err != nil {
			t.Fatal(err)
		}
	}
	if !informers.WaitForCacheSync(t.Context()) {
		t.Fatal("informers have not read what there is")
	}
}
