// Package controlplane holds what the components of a hosted control plane
// have in common. Each component is a package below it that turns a Tenant into
// desired objects, without input or output.
package controlplane

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/image"
)

// Tenant is everything that the objects of a control plane are made from.
type Tenant struct {
	// Name of the TenantCluster and of its network.
	Name string
	// HostedNamespace holds the control plane.
	HostedNamespace string
	// UID of the TenantCluster.
	UID    types.UID
	Spec   v1alpha1.TenantClusterSpec
	Images Images
	// IssuedSecrets are the hashes of the key pairs that are there, by the name of their Secret.
	IssuedSecrets map[string]string
	// EtcdClusterIP and APIServerClusterIP are the addresses of the Services in
	// the management cluster. Components find each other by name through
	// /etc/hosts, and need no DNS server to start.
	EtcdClusterIP      string
	APIServerClusterIP string
}

// Images says where container images come from.
type Images struct {
	// Registry is the prefix of every image, without a slash at its end.
	Registry string
	// EtcdTag and CoreDNSTag are versions; Kubernetes' own is the tenant's.
	EtcdTag    string
	CoreDNSTag string
	// Digests of the components' images.
	Digests image.Digests
}

// Image is that of a component. It is empty, which no pod can run, when
// MissingImage says why there is no image; empty when there is one.
func (t Tenant) Image(component string) string {
	reference, _ := t.image(component)
	return reference
}

// MissingImage says why a component has no image that may run; empty when it has.
func (t Tenant) MissingImage(component string) string {
	if _, err := t.image(component); err != nil {
		return err.Error()
	}
	return ""
}

func (t Tenant) image(component string) (string, error) {
	tag := string(t.Spec.Version)
	if component == Etcd {
		tag = t.Images.EtcdTag
	}
	return t.Images.Digests.Reference(t.Images.Registry, component+":"+tag)
}

// Labels of an object of a component.
func (t Tenant) Labels(component string) map[string]string {
	return map[string]string{
		v1alpha1.LabelTenant: t.HostedNamespace,
		LabelComponent:       component,
		LabelManagedBy:       ManagedBy,
	}
}

// Selector of a component's pods.
func (t Tenant) Selector(component string) map[string]string {
	return map[string]string{v1alpha1.LabelTenant: t.HostedNamespace, LabelComponent: component}
}

// ServiceHost is the name of a Service of this control plane.
func (t Tenant) ServiceHost(service string) string {
	return fmt.Sprintf("%s.%s.svc", service, t.HostedNamespace)
}

// KubernetesServiceHost is the name of the Kubernetes API in a tenant with that
// DNS domain.
func KubernetesServiceHost(domain string) string {
	return "kubernetes.default.svc." + domain
}

// IssuerHost is the name of a tenant's API that no other tenant's has: that of
// the issuer of its service accounts' tokens. Elsewhere all clusters issue in
// the name of kubernetes.default.svc, and who trusts several cannot tell whose
// a token is, nor where its keys are. A path below that name would do for
// telling them apart, but the API server publishes its keys at the root alone.
// The name is one inside the tenant, where issuers are asked: the cluster DNS
// answers for it, and the API server's certificate has it. It follows from the
// UID, so that a later TenantCluster of the same name is another issuer.
func IssuerHost(tenant types.UID, domain string) string {
	return string(tenant) + "." + KubernetesServiceHost(domain)
}

// MissingSecrets are those of the wanted Secrets that are not issued yet, sorted.
func (t Tenant) MissingSecrets(wanted []SecretFiles) []string {
	var missing []string
	for _, files := range wanted {
		if _, issued := t.IssuedSecrets[files.Secret]; !issued {
			missing = append(missing, files.Secret)
		}
	}
	slices.Sort(missing)
	return missing
}

// pkiHash changes when one of the Secrets does.
func (t Tenant) pkiHash(mounted []SecretFiles) string {
	names := make([]string, 0, len(mounted))
	for _, files := range mounted {
		names = append(names, files.Secret)
	}
	slices.Sort(names)
	sum := sha256.New()
	for _, name := range names {
		fmt.Fprintf(sum, "%s=%s\n", name, t.IssuedSecrets[name])
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// LabelComponent names the component that an object belongs to.
const LabelComponent = "app.kubernetes.io/component"

// LabelManagedBy, with the value ManagedBy, marks control planes and the
// RoleBindings that the operator makes.
const (
	LabelManagedBy = "app.kubernetes.io/managed-by"
	ManagedBy      = "slipway"
)

// Components, as they name their workloads, containers and binaries.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
)

// Components of every control plane.
var Components = []string{Etcd, APIServer, ControllerManager, Scheduler}

// EtcdClientService is the Service at which API servers find etcd.
const EtcdClientService = "etcd-client"

// EtcdClientPort is where etcd serves its clients.
const EtcdClientPort = 2379
