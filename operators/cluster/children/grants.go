package children

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	rbacv1ac "k8s.io/client-go/applyconfigurations/rbac/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/controlplane"
)

// HostedGrants are the RoleBindings by which operators work in a hosted
// namespace: what they make there can read Secrets, so they may nowhere else.
// operators is the namespace of their service accounts.
func HostedGrants(hosted, operators string) []*rbacv1ac.RoleBindingApplyConfiguration {
	var grants []*rbacv1ac.RoleBindingApplyConfiguration
	for _, grant := range []string{v1alpha1.GrantClusterOperator, v1alpha1.GrantCertOperator, v1alpha1.GrantKVMOperator} {
		grants = append(grants, roleBinding(grant, hosted, v1alpha1.HostedRole(grant), operators).
			WithLabels(map[string]string{v1alpha1.LabelTenant: hosted}))
	}
	return grants
}

// TeamGrant is the RoleBinding by which this operator writes kubeconfigs beside
// TenantClusters, and reads the Secrets of registries. It goes with the last of
// the clusters, which are all those of the namespace.
func TeamGrant(namespace, operators string, clusters []v1alpha1.TenantCluster) *rbacv1ac.RoleBindingApplyConfiguration {
	grant := roleBinding(v1alpha1.GrantClusterOperator, namespace, v1alpha1.TeamRole, operators)
	slices.SortFunc(clusters, func(a, b v1alpha1.TenantCluster) int { return strings.Compare(a.Name, b.Name) })
	for _, cluster := range clusters {
		grant.WithOwnerReferences(metav1ac.OwnerReference().
			WithAPIVersion(v1alpha1.GroupVersion.String()).WithKind("TenantCluster").
			WithName(cluster.Name).WithUID(cluster.UID))
	}
	return grant
}

func roleBinding(grant, namespace, role, operators string) *rbacv1ac.RoleBindingApplyConfiguration {
	return rbacv1ac.RoleBinding(grant, namespace).
		WithLabels(map[string]string{controlplane.LabelManagedBy: controlplane.ManagedBy}).
		WithRoleRef(rbacv1ac.RoleRef().WithAPIGroup(rbacv1.GroupName).WithKind("ClusterRole").WithName(role)).
		WithSubjects(rbacv1ac.Subject().WithKind(rbacv1.ServiceAccountKind).
			WithNamespace(operators).WithName(strings.TrimPrefix(grant, "slipway-")))
}
