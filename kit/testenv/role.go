package testenv

import (
	"bytes"
	"os"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// As gives a configuration that may do what the first ClusterRole in a file
// allows and nothing else: so a test notices what an operator's chart forgets.
// The others in the file are there, for RoleBindings such as those of Grant.
func As(t testing.TB, config *rest.Config, clusterRoleFile string) *rest.Config {
	t.Helper()
	api, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	roles := clusterRoles(t, clusterRoleFile)
	for _, role := range roles {
		if _, err := api.RbacV1().ClusterRoles().Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: roles[0].Name},
		RoleRef:    roleRef(roles[0].Name),
		Subjects:   []rbacv1.Subject{serviceAccount(roles[0].Name)},
	}
	if _, err := api.RbacV1().ClusterRoleBindings().Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	restricted := rest.CopyConfig(config)
	restricted.Impersonate.UserName = "system:serviceaccount:" + ChartNamespace + ":" + serviceAccount(roles[0].Name).Name
	return restricted
}

// Grant binds a ClusterRole in a namespace to the operator that As acts as, as
// the cluster-operator does. binding is the name of the operator's own ClusterRole.
func Grant(t testing.TB, c client.Client, namespace, binding, clusterRole string) {
	t.Helper()
	err := c.Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: binding},
		RoleRef:    roleRef(clusterRole),
		Subjects:   []rbacv1.Subject{serviceAccount(binding)},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func clusterRoles(t testing.TB, file string) []*rbacv1.ClusterRole {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var roles []*rbacv1.ClusterRole
	for document := range bytes.SplitSeq(text, []byte("\n---\n")) {
		role := &rbacv1.ClusterRole{}
		if err := yaml.UnmarshalStrict(document, role); err != nil {
			t.Fatalf("read %s: %v", file, err)
		}
		roles = append(roles, role)
	}
	return roles
}

func roleRef(clusterRole string) rbacv1.RoleRef {
	return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: clusterRole}
}

// serviceAccount is that of the operator whose ClusterRole has that name.
func serviceAccount(clusterRole string) rbacv1.Subject {
	return rbacv1.Subject{
		Kind: rbacv1.ServiceAccountKind, Namespace: ChartNamespace, Name: strings.TrimPrefix(clusterRole, "slipway-"),
	}
}
