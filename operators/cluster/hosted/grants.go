package hosted

import (
	"context"
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	rbacv1ac "k8s.io/client-go/applyconfigurations/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/grants"
	"slipway.dev/operators/cluster/children"
)

// NewCache keeps Secrets of hosted namespaces and of those with TenantClusters.
var NewCache cache.NewCacheFunc = grants.NewCache(
	v1alpha1.GrantClusterOperator, v1alpha1.HostedRole(v1alpha1.GrantClusterOperator), v1alpha1.TeamRole)

// Grants makes the RoleBindings by which operators work in namespaces.
type Grants struct {
	// cache has RoleBindings and TenantClusters.
	cache  client.Reader
	writer *apply.Writer
	// operators is the namespace of the operators' service accounts.
	operators string
}

// NewGrants makes RoleBindings through c, for service accounts in the namespace.
func NewGrants(c client.Client, operators string) Grants {
	return Grants{cache: c, writer: apply.NewWriter(c, "cluster-operator"), operators: operators}
}

// Tenant makes those of a hosted namespace and of the team's, and reports
// whether they were there already. Until they are, nothing else can be done.
func (g Grants) Tenant(ctx context.Context, team, hosted string) (there bool, err error) {
	there, err = g.Hosted(ctx, hosted)
	if err != nil {
		return false, err
	}
	clusters := &v1alpha1.TenantClusterList{}
	if err := g.cache.List(ctx, clusters, client.InNamespace(team)); err != nil {
		return false, fmt.Errorf("list TenantClusters of %s: %w", team, err)
	}
	known, err := g.ensure(ctx, children.TeamGrant(team, g.operators, clusters.Items))
	return there && known, err
}

// Hosted makes those of a hosted namespace alone.
func (g Grants) Hosted(ctx context.Context, hosted string) (there bool, err error) {
	there = true
	for _, grant := range children.HostedGrants(hosted, g.operators) {
		known, err := g.ensure(ctx, grant)
		if err != nil {
			return false, err
		}
		there = there && known
	}
	return there, nil
}

func (g Grants) ensure(ctx context.Context, grant *rbacv1ac.RoleBindingApplyConfiguration) (there bool, err error) {
	binding := &rbacv1.RoleBinding{}
	err = g.cache.Get(ctx, client.ObjectKey{Namespace: *grant.Namespace, Name: *grant.Name}, binding)
	there = err == nil
	if apierrors.IsNotFound(err) {
		binding, err = nil, nil
	}
	if err != nil {
		return false, fmt.Errorf("get RoleBinding %s of %s: %w", *grant.Name, *grant.Namespace, err)
	}
	err = g.writer.Apply(ctx, grant, binding)
	if apierrors.IsInvalid(err) {
		// A RoleBinding cannot come to refer to another role.
		return there, fmt.Errorf("RoleBinding %s of Namespace %s belongs to something else; delete it: %w", *grant.Name, *grant.Namespace, err)
	}
	return there, err
}
