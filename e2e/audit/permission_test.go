package audit_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/e2e/audit"
)

const dns = "system:serviceaccount:slipway-system:dns-operator"

func TestUnused(t *testing.T) {
	permission := func(verb, resource string) audit.Permission {
		return audit.Permission{User: dns, Verb: verb, Resource: resource}
	}
	request := func(verb, resource string) audit.Request {
		return audit.Request{User: dns, Verb: verb, Resource: resource, Namespace: "n", Name: "o"}
	}
	for name, test := range map[string]struct {
		granted  audit.Permission
		request  audit.Request
		wantUsed bool
	}{
		"same":                      {permission("get", "pods"), request("get", "pods"), true},
		"other verb":                {permission("get", "pods"), request("list", "pods"), false},
		"other resource":            {permission("get", "pods"), request("get", "nodes"), false},
		"other group":               {audit.Permission{User: dns, Verb: "get", Resource: "pods", Group: "g"}, request("get", "pods"), false},
		"other account":             {audit.Permission{User: dns + "2", Verb: "get", Resource: "pods"}, request("get", "pods"), false},
		"subresource":               {permission("patch", "pods/status"), request("patch", "pods/status"), true},
		"its resource is another":   {permission("patch", "pods"), request("patch", "pods/status"), false},
		"implied verb":              {permission("create", "pods"), audit.Request{User: dns, Verb: "patch", Implied: "create", Resource: "pods"}, true},
		"nothing implied":           {permission("", "pods"), request("patch", "pods"), false},
		"everything":                {audit.Permission{User: dns, Verb: "*", Group: "*", Resource: "*"}, request("get", "pods"), true},
		"everything, never used":    {audit.Permission{User: dns, Verb: "*", Group: "*", Resource: "nodes"}, request("get", "pods"), false},
		"that object":               {audit.Permission{User: dns, Verb: "get", Resource: "pods", Name: "o"}, request("get", "pods"), true},
		"another object":            {audit.Permission{User: dns, Verb: "get", Resource: "pods", Name: "p"}, request("get", "pods"), false},
		"in that namespace":         {audit.Permission{User: dns, Verb: "get", Resource: "pods", Namespace: "n"}, request("get", "pods"), true},
		"in another namespace":      {audit.Permission{User: dns, Verb: "get", Resource: "pods", Namespace: "m"}, request("get", "pods"), false},
		"in all, asked in them all": {permission("list", "pods"), audit.Request{User: dns, Verb: "list", Resource: "pods"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			unused := audit.Unused([]audit.Permission{test.granted}, slices.Values([]audit.Request{test.request}))
			if used := len(unused) == 0; used != test.wantUsed {
				t.Errorf("used: %v, want %v", used, test.wantUsed)
			}
		})
	}
}

func TestGranted(t *testing.T) {
	rule := func(verb, resource string, names ...string) []rbacv1.PolicyRule {
		return []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{resource}, Verbs: []string{verb}, ResourceNames: names}}
	}
	named := func(namespace, name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: name}
	}
	account := func(name string) []rbacv1.Subject {
		return []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "slipway-system", Name: name}}
	}
	foreign := []rbacv1.Subject{
		{Kind: "ServiceAccount", Namespace: "kube-system", Name: "x"},
		{Kind: "Group", Name: "system:serviceaccounts:slipway-system"},
	}
	policy := audit.Policy{
		ClusterRoles: []rbacv1.ClusterRole{
			{ObjectMeta: named("", "all"), Rules: []rbacv1.PolicyRule{{
				APIGroups: []string{"", "apps"}, Resources: []string{"pods", "pods/status"}, Verbs: []string{"get", "patch"},
			}}},
			{ObjectMeta: named("", "one"), Rules: rule("list", "nodes")},
			{ObjectMeta: named("", "unbound"), Rules: rule("get", "nodes")},
		},
		ClusterRoleBindings: []rbacv1.ClusterRoleBinding{
			{RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: "all"}, Subjects: account("a")},
			{RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: "unbound"}, Subjects: foreign},
		},
		Roles: []rbacv1.Role{
			{ObjectMeta: named("n", "one"), Rules: rule("update", "leases", "l", "m")},
			{ObjectMeta: named("other", "one"), Rules: rule("delete", "leases")},
		},
		RoleBindings: []rbacv1.RoleBinding{
			{ObjectMeta: named("n", "x"), RoleRef: rbacv1.RoleRef{Kind: "Role", Name: "one"}, Subjects: account("b")},
			{ObjectMeta: named("n", "y"), RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: "one"}, Subjects: account("b")},
			{ObjectMeta: named("n", "z"), RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: "one"}, Subjects: account("b")},
		},
	}
	var got []string
	for _, p := range policy.Granted("slipway-system") {
		got = append(got, p.String())
	}
	want := []string{
		"a: get pods", "a: get pods.apps", "a: get pods/status", "a: get pods/status.apps",
		"a: patch pods", "a: patch pods.apps", "a: patch pods/status", "a: patch pods/status.apps",
		"b: list nodes in n", "b: update leases l in n", "b: update leases m in n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("permissions (-want +got):\n%s", diff)
	}
}

func TestExcuse(t *testing.T) {
	unused := []audit.Permission{
		{User: dns, Verb: "create", Group: "events.k8s.io", Resource: "events"},
		{User: dns, Verb: "get", Resource: "namespaces"},
	}
	needed := audit.Exception{Account: "dns-operator", Verb: "create", Resource: "events.events.k8s.io", Reason: "r"}
	needless := audit.Exception{Account: "dns-operator", Verb: "patch", Resource: "events.events.k8s.io", Reason: "r"}
	left, rest := audit.Excuse(unused, []audit.Exception{needed, needless})
	if diff := cmp.Diff(unused[1:], left); diff != "" {
		t.Errorf("unused permissions without an exception (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]audit.Exception{needless}, rest); diff != "" {
		t.Errorf("needless exceptions (-want +got):\n%s", diff)
	}
}
