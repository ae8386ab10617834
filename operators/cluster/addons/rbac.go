// Package addons builds what every tenant needs inside: the permissions by
// which workers join, and cluster DNS.
package addons

import (
	"k8s.io/apimachinery/pkg/runtime"
	rbacv1ac "k8s.io/client-go/applyconfigurations/rbac/v1"

	"slipway.dev/api/v1alpha1"
)

// Kubernetes' own names.
const (
	nodesGroup           = "system:nodes"
	systemNamespace      = "kube-system"
	rbacGroup            = "rbac.authorization.k8s.io"
	certificatesGroup    = "certificates.k8s.io"
	kubeletClientSigner  = "kubernetes.io/kube-apiserver-client-kubelet"
	kubeletServingSigner = "kubernetes.io/kubelet-serving"
)

// registries is the name of the Secret with what workers know of registries, and of the permission to read it.
const registries = v1alpha1.SecretTenantRegistries

// Settings are what a tenant's add-ons are made from.
type Settings struct {
	DNS DNS
	// NetworkPolicies are enforced by the workers.
	NetworkPolicies bool
}

// Objects are all add-ons of a tenant, in the order in which they are written.
func Objects(settings Settings) []runtime.ApplyConfiguration {
	objects := RBAC()
	if settings.NetworkPolicies {
		objects = append(objects, networkPolicies()...)
	}
	return append(objects, ClusterDNS(settings.DNS)...)
}

// RBAC lets workers join, as kubeadm's bootstrap-token phases do, and gives
// kvm-operator what it needs to look after them. The API server may speak to
// kubelets and no more, and the tenant's users may do everything: through a
// binding, so that it can be taken from them.
func RBAC() []runtime.ApplyConfiguration {
	return []runtime.ApplyConfiguration{
		bind("slipway:kubelet-bootstrap", "system:node-bootstrapper", group(v1alpha1.GroupBootstrappers)),
		bind("slipway:node-proxier", "system:node-proxier", group(nodesGroup)),
		bind(v1alpha1.GroupClusterAdmins, "cluster-admin", group(v1alpha1.GroupClusterAdmins)),
		bind("slipway:kubelet-api-admin", "system:kubelet-api-admin", user(v1alpha1.UserKubeletClient)),
		kvmOperatorClusterRole(),
		bind(v1alpha1.UserKVMOperator, v1alpha1.UserKVMOperator, user(v1alpha1.UserKVMOperator)),
		kvmOperatorRole(),
		registriesRole(),
		rbacv1ac.RoleBinding(registries, systemNamespace).
			WithRoleRef(rbacv1ac.RoleRef().WithAPIGroup(rbacGroup).WithKind("Role").WithName(registries)).
			WithSubjects(group(nodesGroup)),
		rbacv1ac.RoleBinding(v1alpha1.UserKVMOperator, systemNamespace).
			WithRoleRef(rbacv1ac.RoleRef().WithAPIGroup(rbacGroup).WithKind("Role").WithName(v1alpha1.UserKVMOperator)).
			WithSubjects(user(v1alpha1.UserKVMOperator)),
	}
}

// kvmOperatorClusterRole: look after Nodes, drain them, approve the certificates
// of kubelets, and name the webhook that is in the way. No binding lets
// Kubernetes approve certificates, as kubeadm's do: whoever holds one token could
// become any node.
func kvmOperatorClusterRole() *rbacv1ac.ClusterRoleApplyConfiguration {
	return rbacv1ac.ClusterRole(v1alpha1.UserKVMOperator).WithRules(
		rule("").WithResources("nodes").WithVerbs("get", "list", "watch", "create", "patch", "delete"),
		rule("").WithResources("pods").WithVerbs("get", "list", "watch"),
		rule("").WithResources("pods/eviction").WithVerbs("create"),
		rule(certificatesGroup).WithResources("certificatesigningrequests").WithVerbs("get", "list", "watch"),
		rule(certificatesGroup).WithResources("certificatesigningrequests/approval").WithVerbs("update"),
		rule(certificatesGroup).WithResources("signers").WithResourceNames(kubeletClientSigner, kubeletServingSigner).WithVerbs("approve"),
		rule("admissionregistration.k8s.io").WithResources("mutatingwebhookconfigurations", "validatingwebhookconfigurations").WithVerbs("list"),
	)
}

// kvmOperatorRole: bootstrap tokens are Secrets in kube-system. RBAC cannot
// tell them from other Secrets there by name, as their names are random; so
// they are written and deleted, and never read.
func kvmOperatorRole() *rbacv1ac.RoleApplyConfiguration {
	return rbacv1ac.Role(v1alpha1.UserKVMOperator, systemNamespace).WithRules(
		rule("").WithResources("secrets").WithVerbs("create", "patch", "delete"),
	)
}

// registriesRole lets workers read how they reach registries, which
// kvm-operator writes.
func registriesRole() *rbacv1ac.RoleApplyConfiguration {
	return rbacv1ac.Role(registries, systemNamespace).WithRules(
		rule("").WithResources("secrets").WithResourceNames(registries).WithVerbs("watch"),
	)
}

// networkPolicies lets workers read what policies are about: their
// kube-network-policies has the kubelet's identity, as kube-proxy does.
func networkPolicies() []runtime.ApplyConfiguration {
	const name = "slipway:network-policies"
	return []runtime.ApplyConfiguration{
		rbacv1ac.ClusterRole(name).WithRules(
			rule("").WithResources("pods", "namespaces").WithVerbs("list", "watch"),
			rule("networking.k8s.io").WithResources("networkpolicies").WithVerbs("list", "watch")),
		bind(name, name, group(nodesGroup)),
	}
}

func rule(apiGroup string) *rbacv1ac.PolicyRuleApplyConfiguration {
	return rbacv1ac.PolicyRule().WithAPIGroups(apiGroup)
}

func bind(name, clusterRole string, subject *rbacv1ac.SubjectApplyConfiguration) *rbacv1ac.ClusterRoleBindingApplyConfiguration {
	return rbacv1ac.ClusterRoleBinding(name).
		WithRoleRef(rbacv1ac.RoleRef().WithAPIGroup(rbacGroup).WithKind("ClusterRole").WithName(clusterRole)).
		WithSubjects(subject)
}

func group(name string) *rbacv1ac.SubjectApplyConfiguration {
	return rbacv1ac.Subject().WithAPIGroup(rbacGroup).WithKind("Group").WithName(name)
}

func user(name string) *rbacv1ac.SubjectApplyConfiguration {
	return rbacv1ac.Subject().WithAPIGroup(rbacGroup).WithKind("User").WithName(name)
}
