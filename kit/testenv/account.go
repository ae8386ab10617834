package testenv

import (
	"context"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// Account returns a configuration that may do what the chart in a folder allows
// one of its service accounts and nothing else: so a test notices what the chart
// forgets. values are those without which it is not rendered, as with Chart.
func Account(t testing.TB, config *rest.Config, chart, name string, values ...string) *rest.Config {
	t.Helper()
	admin := Client(t, config, Scheme(t, corev1.AddToScheme))
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ChartNamespace}}
	if err := client.IgnoreAlreadyExists(admin.Create(t.Context(), namespace)); err != nil {
		t.Fatal(err)
	}
	objects := Chart(t, chart, values...)
	if !slices.ContainsFunc(objects, func(o *unstructured.Unstructured) bool {
		return o.GetKind() == "ServiceAccount" && o.GetName() == name
	}) {
		t.Fatalf("chart %s has no service account %s", chart, name)
	}
	for _, object := range objects {
		if object.GroupVersionKind().Group != "rbac.authorization.k8s.io" {
			continue
		}
		// Applied, as a test may act as several accounts of one chart.
		if err := admin.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("helm")); err != nil {
			t.Fatalf("apply %s %s: %v", object.GetKind(), object.GetName(), err)
		}
	}
	restricted := rest.CopyConfig(config)
	restricted.Impersonate.UserName = "system:serviceaccount:" + ChartNamespace + ":" + name
	return restricted
}

// Grant binds a ClusterRole in a namespace to an operator's service account, as
// the cluster-operator does. grant is the name of the RoleBinding, such as
// slipway-kvm-operator.
func Grant(t testing.TB, c client.Client, namespace, grant, clusterRole string) {
	t.Helper()
	err := c.Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: grant},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: clusterRole},
		Subjects: []rbacv1.Subject{{
			Kind: rbacv1.ServiceAccountKind, Namespace: ChartNamespace, Name: strings.TrimPrefix(grant, "slipway-"),
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Scheme makes one of the given groups.
func Scheme(t testing.TB, groups ...func(*runtime.Scheme) error) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range groups {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return scheme
}

// Client makes one without a cache.
func Client(t testing.TB, config *rest.Config, scheme *runtime.Scheme) client.WithWatch {
	t.Helper()
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Cached returns a client that is to a reconciler what a manager's is: it writes
// as one client may, and reads what a cache would have, for which nobody may get
// an object. Unlike a cache it is never behind, so that tests need not wait.
func Cached(writer, reader client.WithWatch) client.Client {
	return interceptor.NewClient(writer, interceptor.Funcs{
		Get: func(ctx context.Context, _ client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			return reader.Get(ctx, key, object, options...)
		},
		List: func(ctx context.Context, _ client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			return reader.List(ctx, list, options...)
		},
	})
}
