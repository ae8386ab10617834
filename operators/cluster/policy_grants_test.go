package main

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/testenv"
)

// TestGrantsPolicy: whoever takes over the cluster-operator gets the Secrets of
// tenants, and not those of the management cluster.
func TestGrantsPolicy(t *testing.T) {
	p := newPolicies(t, "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ClusterRole")
	p.create(t, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "cluster-operator"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: serviceAccount("cluster-operator")}},
	})
	p.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: testenv.ChartNamespace}})
	operator := p.user(t, serviceAccount("cluster-operator"))
	p.awaitEnforced(t, func() error {
		return operator.Create(t.Context(), grant("kube-system", "slipway-cluster-operator", "cluster-admin"), client.DryRunAll)
	})
	p.awaitEnforced(t, func() error {
		return operator.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "anything"}}, client.DryRunAll)
	})
	t.Run("roles", func(t *testing.T) { p.testGrantedRoles(t, operator) })
	t.Run("namespaces", func(t *testing.T) { p.testOperatorsNamespaces(t, operator) })
	t.Run("others", func(t *testing.T) {
		wantMessage(t, p.admin.Create(t.Context(), grant("kube-system", "slipway-cluster-operator", "cluster-admin"), client.DryRunAll), "")
	})
}

func (p *policies) testGrantedRoles(t *testing.T, operator client.Client) {
	const (
		role   = "and nothing else"
		system = "create it in another namespace"
		whom   = "to Slipway's operators alone, each to its own"
	)
	foreign := grant(p.hosted, "slipway-kvm-operator", "slipway-kvm-operator-hosted")
	foreign.Subjects = append(foreign.Subjects, rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: "team", Name: "kvm-operator"})
	user := grant(p.hosted, "slipway-kvm-operator", "slipway-kvm-operator-hosted")
	user.Subjects = []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "mallory"}}
	another := grant(p.hosted, "slipway-kvm-operator", "slipway-kvm-operator-hosted")
	another.Subjects[0].Name = "cluster-operator"
	for _, test := range []struct {
		name    string
		binding *rbacv1.RoleBinding
		want    string
	}{
		{"hosted", grant(p.hosted, "slipway-kvm-operator", "slipway-kvm-operator-hosted"), ""},
		{"beside a TenantCluster", grant("team", v1alpha1.GrantClusterOperator, v1alpha1.TeamRole), ""},
		{"another operator's role", grant(p.hosted, "slipway-kvm-operator", "slipway-cluster-operator-hosted"), role},
		{"any role", grant(p.hosted, "slipway-kvm-operator", "admin"), role},
		{"hosted role elsewhere", grant("team", "slipway-kvm-operator", "slipway-kvm-operator-hosted"), role},
		{"system namespace", grant("kube-system", v1alpha1.GrantClusterOperator, v1alpha1.TeamRole), system},
		{"the operators' own namespace", grant(testenv.ChartNamespace, v1alpha1.GrantClusterOperator, v1alpha1.TeamRole), system},
		{"one more subject", foreign, whom},
		{"a user", user, whom},
		{"another operator", another, whom},
	} {
		t.Run(test.name, func(t *testing.T) {
			wantMessage(t, operator.Create(t.Context(), test.binding, client.DryRunAll), test.want)
		})
	}
}

func (p *policies) testOperatorsNamespaces(t *testing.T, operator client.Client) {
	const refusal = "makes, changes and deletes hosted namespaces alone"
	name := v1alpha1.HostedNamespace("team", "new")
	wantMessage(t, operator.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
		v1alpha1.LabelTenant: name, v1alpha1.LabelTenantName: "new", v1alpha1.LabelTenantNamespace: "team",
	}}}, client.DryRunAll), "")
	wantMessage(t, operator.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "plain"}}, client.DryRunAll), refusal)
	taken := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team"}}
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"slipway.dev/tenant":"team"}}}`))
	wantMessage(t, operator.Patch(t.Context(), taken, patch, client.DryRunAll), refusal)
	wantMessage(t, operator.Delete(t.Context(), taken, client.DryRunAll), refusal)
	hosted := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: p.hosted}}
	wantMessage(t, operator.Patch(t.Context(), hosted, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"a":"b"}}}`)), client.DryRunAll), "")
	wantMessage(t, operator.Delete(t.Context(), hosted, client.DryRunAll), "")
}

// grant is a RoleBinding to the service account that its name stands for.
func grant(namespace, name, role string) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: testenv.ChartNamespace, Name: name[len("slipway-"):]}},
	}
}
