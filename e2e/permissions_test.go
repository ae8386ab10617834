package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/e2e/audit"
)

const (
	ownership = "asked for, where a cluster enforces it, of whoever makes an object that blocks the deletion of its owner"
	repeated  = "an event that repeats is counted up"
	binding   = "asked for of whoever binds the role"
)

// unexercised is what operators may do and no story makes them do.
var unexercised = []audit.Exception{
	{Account: "cluster-operator", Verb: "update", Resource: "tenantclusters/finalizers.slipway.dev", Reason: ownership},
	{Account: "cert-operator", Verb: "update", Resource: "tenantpkis/finalizers.slipway.dev", Reason: ownership},
	{Account: "dns-operator", Verb: "update", Resource: "tenantdnses/finalizers.slipway.dev", Reason: ownership},
	{Account: "kvm-operator", Verb: "update", Resource: "nodepools/finalizers.slipway.dev", Reason: ownership},
	{Account: "kvm-operator", Verb: "update", Resource: "machines/finalizers.slipway.dev", Reason: ownership},
	{Account: "network-operator", Verb: "update", Resource: "tenantnetworks/finalizers.slipway.dev", Reason: ownership},
	{Account: "cluster-operator", Verb: "bind", Resource: "clusterroles.rbac.authorization.k8s.io slipway-cluster-operator-hosted", Reason: binding},
	{Account: "cluster-operator", Verb: "bind", Resource: "clusterroles.rbac.authorization.k8s.io slipway-cluster-operator-team", Reason: binding},
	{Account: "cluster-operator", Verb: "bind", Resource: "clusterroles.rbac.authorization.k8s.io slipway-cert-operator-hosted", Reason: binding},
	{Account: "cluster-operator", Verb: "bind", Resource: "clusterroles.rbac.authorization.k8s.io slipway-kvm-operator-hosted", Reason: binding},
	{Account: "cluster-operator", Verb: "get", Resource: "tenantclusters.slipway.dev", Reason: "no finalizer of a story is removed by hand"},
	{Account: "cluster-operator", Verb: "patch", Resource: "events.events.k8s.io", Reason: repeated},
	{Account: "cluster-operator", Verb: "delete", Resource: "pods", Reason: "the garbage collector may be faster with those of a workload that is gone"},
	{Account: "cert-operator", Verb: "delete", Resource: "certificates.cert-manager.io", Reason: "no story makes a TenantPKI ask for less"},
	{Account: "cert-operator", Verb: "delete", Resource: "issuers.cert-manager.io", Reason: "no story makes a TenantPKI ask for less"},
	{Account: "cert-operator", Verb: "patch", Resource: "events.events.k8s.io", Reason: repeated},
	{Account: "network-operator", Verb: "patch", Resource: "events.events.k8s.io", Reason: repeated},
	{Account: "network-operator", Verb: "delete", Resource: "networkports.slipway.dev", Reason: "ports that outlive those who asked for them; in stories these remove them first"},
	{Account: "kvm-operator", Verb: "delete", Resource: "virtualmachineinstances.kubevirt.io", Reason: "no guest of a story runs and does not join"},
	{Account: "kvm-operator", Verb: "patch", Resource: "events.events.k8s.io", Reason: repeated},
	{Account: "dns-operator", Verb: "patch", Resource: "events.events.k8s.io", Reason: repeated},
}

// allStories tells whether no story was left out on the command line.
func allStories() bool {
	run, skip := flag.Lookup("test.run").Value.String(), flag.Lookup("test.skip").Value.String()
	return (run == "" || run == ".") && skip == ""
}

// reviewPermissions prints what Slipway's service accounts may do and the
// stories did not make them do, and returns an error when there is any and all
// stories were told.
func reviewPermissions(ctx context.Context, told bool) error {
	log := os.Getenv("E2E_AUDIT_LOG")
	if log == "" {
		fmt.Println("E2E_AUDIT_LOG is not set: permissions are not compared with their use")
		return nil
	}
	policy, err := readPolicy(ctx)
	if err != nil {
		return err
	}
	granted := policy.Granted(operatorNamespace)
	if len(granted) == 0 {
		return fmt.Errorf("no service account in %s has permissions: install Slipway there", operatorNamespace)
	}
	var failed error
	unused := audit.Unused(granted, func(yield func(audit.Request) bool) {
		for request, err := range audit.Open(log) {
			if failed = err; failed != nil || !yield(request) {
				return
			}
		}
	})
	if failed != nil {
		return fmt.Errorf("read the audit log: %w", failed)
	}
	unused, needless := audit.Excuse(unused, unexercised)
	for _, exception := range needless {
		fmt.Printf("exception not needed by this run: %s (%s)\n", exception, exception.Reason)
	}
	for _, permission := range unused {
		fmt.Printf("granted and not used: %s\n", permission)
	}
	if told && len(unused) > 0 {
		return fmt.Errorf("%d permissions are granted and were not used by any story: take them out of the charts, or say in unexercised why they stay", len(unused))
	}
	return nil
}

func readPolicy(ctx context.Context) (audit.Policy, error) {
	var (
		clusterRoles        rbacv1.ClusterRoleList
		clusterRoleBindings rbacv1.ClusterRoleBindingList
		roles               rbacv1.RoleList
		roleBindings        rbacv1.RoleBindingList
	)
	for _, list := range []client.ObjectList{&clusterRoles, &clusterRoleBindings, &roles, &roleBindings} {
		if err := env.management.List(ctx, list); err != nil {
			return audit.Policy{}, fmt.Errorf("read permissions: %w", err)
		}
	}
	// Those of tenants that are there now are among the grants below.
	roleBindings.Items = slices.DeleteFunc(roleBindings.Items, func(binding rbacv1.RoleBinding) bool {
		return binding.Namespace != operatorNamespace
	})
	return audit.Policy{
		ClusterRoles: clusterRoles.Items, ClusterRoleBindings: append(clusterRoleBindings.Items, grants()...),
		Roles: roles.Items, RoleBindings: roleBindings.Items,
	}, nil
}

// grants stand for the RoleBindings that come and go with tenants: what is used
// in the namespace of one of them is used.
func grants() []rbacv1.ClusterRoleBinding {
	var bindings []rbacv1.ClusterRoleBinding
	for role, grant := range map[string]string{
		v1alpha1.HostedRole(v1alpha1.GrantClusterOperator): v1alpha1.GrantClusterOperator,
		v1alpha1.TeamRole: v1alpha1.GrantClusterOperator,
		v1alpha1.HostedRole(v1alpha1.GrantCertOperator): v1alpha1.GrantCertOperator,
		v1alpha1.HostedRole(v1alpha1.GrantKVMOperator):  v1alpha1.GrantKVMOperator,
	} {
		bindings = append(bindings, rbacv1.ClusterRoleBinding{
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects: []rbacv1.Subject{{
				Kind: rbacv1.ServiceAccountKind, Namespace: operatorNamespace, Name: strings.TrimPrefix(grant, "slipway-"),
			}},
		})
	}
	return bindings
}
