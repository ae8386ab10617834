package audit

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

const userPrefix = "system:serviceaccount:"

// Permission is one verb on one resource that a service account has.
type Permission struct {
	// User is the service account's name as a user.
	User string
	// Namespace in which it is granted; empty is everywhere.
	Namespace string
	Verb      string
	Group     string
	// Resource is followed by a slash and the subresource, if there is one.
	Resource string
	// Name of the one object for which it is granted; empty is all.
	Name string
}

func (p Permission) String() string {
	resource := p.Resource
	if p.Group != "" {
		resource += "." + p.Group
	}
	text := p.Account() + ": " + p.Verb + " " + resource
	if p.Name != "" {
		text += " " + p.Name
	}
	if p.Namespace != "" {
		text += " in " + p.Namespace
	}
	return text
}

// Account is the service account's name in its namespace.
func (p Permission) Account() string { return p.User[strings.LastIndex(p.User, ":")+1:] }

// covers tells whether it is by this permission that the request was let through.
func (p Permission) covers(r Request) bool {
	is := func(granted, asked string) bool { return granted == asked || granted == rbacv1.VerbAll }
	return p.User == r.User &&
		(is(p.Verb, r.Verb) || r.Implied != "" && is(p.Verb, r.Implied)) &&
		is(p.Group, r.Group) && is(p.Resource, r.Resource) &&
		(p.Namespace == "" || p.Namespace == r.Namespace) &&
		(p.Name == "" || p.Name == r.Name)
}

// Policy is who may do what in a cluster.
type Policy struct {
	ClusterRoles        []rbacv1.ClusterRole
	ClusterRoleBindings []rbacv1.ClusterRoleBinding
	Roles               []rbacv1.Role
	RoleBindings        []rbacv1.RoleBinding
}

// Granted are the permissions that are bound to service accounts of a namespace
// by their names, sorted.
func (p Policy) Granted(namespace string) []Permission {
	clusterRoles, roles := map[string][]rbacv1.PolicyRule{}, map[[2]string][]rbacv1.PolicyRule{}
	for _, role := range p.ClusterRoles {
		clusterRoles[role.Name] = role.Rules
	}
	for _, role := range p.Roles {
		roles[[2]string{role.Namespace, role.Name}] = role.Rules
	}
	var granted []Permission
	bind := func(where string, subjects []rbacv1.Subject, rules []rbacv1.PolicyRule) {
		for _, subject := range subjects {
			if subject.Kind == rbacv1.ServiceAccountKind && subject.Namespace == namespace {
				granted = append(granted, expand(userPrefix+namespace+":"+subject.Name, where, rules)...)
			}
		}
	}
	for _, binding := range p.ClusterRoleBindings {
		bind("", binding.Subjects, clusterRoles[binding.RoleRef.Name])
	}
	for _, binding := range p.RoleBindings {
		rules := clusterRoles[binding.RoleRef.Name]
		if binding.RoleRef.Kind == "Role" {
			rules = roles[[2]string{binding.Namespace, binding.RoleRef.Name}]
		}
		bind(binding.Namespace, binding.Subjects, rules)
	}
	slices.SortFunc(granted, func(a, b Permission) int { return cmp.Compare(a.String(), b.String()) })
	return slices.Compact(granted)
}

func expand(user, namespace string, rules []rbacv1.PolicyRule) (permissions []Permission) {
	for _, rule := range rules {
		names := rule.ResourceNames
		if len(names) == 0 {
			names = []string{""}
		}
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					for _, name := range names {
						permissions = append(permissions, Permission{
							User: user, Namespace: namespace, Verb: verb, Group: group, Resource: resource, Name: name,
						})
					}
				}
			}
		}
	}
	return permissions
}

// Unused are the permissions that none of the requests needed.
func Unused(granted []Permission, requests iter.Seq[Request]) []Permission {
	unused := slices.Clone(granted)
	for request := range requests {
		unused = slices.DeleteFunc(unused, func(p Permission) bool { return p.covers(request) })
	}
	return unused
}

// Exception is a permission that is granted although it is not seen in use.
type Exception struct {
	// Account, Verb and Resource, with subresource and group, as a Permission's text has them.
	Account, Verb, Resource string
	// Reason why it is granted all the same.
	Reason string
}

func (e Exception) String() string { return e.Account + ": " + e.Verb + " " + e.Resource }

// Excuse leaves those of the unused permissions that have no exception, and
// gives the exceptions that none of them needs.
func Excuse(unused []Permission, exceptions []Exception) (left []Permission, needless []Exception) {
	excused := map[string]bool{}
	for _, p := range unused {
		excused[p.String()] = true
	}
	needless = slices.DeleteFunc(slices.Clone(exceptions), func(e Exception) bool { return excused[e.String()] })
	left = slices.DeleteFunc(slices.Clone(unused), func(p Permission) bool {
		return slices.ContainsFunc(exceptions, func(e Exception) bool { return e.String() == p.String() })
	})
	return left, needless
}
