package v1alpha1

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Labels and annotations that several operators share.
const (
	// LabelTenant is on every object of a tenant; its value is the hosted namespace.
	LabelTenant = "slipway.dev/tenant"
	// LabelTenantName and LabelTenantNamespace are on the hosted namespace.
	LabelTenantName      = "slipway.dev/tenant-name"
	LabelTenantNamespace = "slipway.dev/tenant-namespace"
	// AnnotationTenantUID on the hosted namespace is the UID of its TenantCluster.
	AnnotationTenantUID = "slipway.dev/tenant-uid"
	// AnnotationPKIHash on a pod is the hash over the Secrets that it mounts.
	AnnotationPKIHash = "slipway.dev/pki-hash"
	// LabelShareWithWorkers, with the value "true", is how the owner of a Secret lets a TenantCluster beside it give the
	// Secret to its workers, whose users can read it: the right to make TenantClusters does not include that.
	LabelShareWithWorkers = "slipway.dev/share-with-workers"
)

// RoleBindings by which operators work in a namespace. They are named like the operator's ClusterRole of the chart. In
// hosted namespaces they bind what HostedRole names; that of the cluster-operator binds TeamRole beside TenantClusters.
const (
	GrantClusterOperator = "slipway-cluster-operator"
	GrantCertOperator    = "slipway-cert-operator"
	GrantKVMOperator     = "slipway-kvm-operator"

	// TeamRole is the ClusterRole of what the cluster-operator may do in the namespaces of TenantClusters.
	TeamRole = GrantClusterOperator + "-team"
)

// HostedRole is the ClusterRole of what an operator may do in hosted namespaces.
func HostedRole(grant string) string {
	return grant + "-hosted"
}

// Priority classes, made by the chart, highest first.
const (
	PriorityClassOperators     = "slipway-operators"
	PriorityClassControlPlanes = "slipway-control-planes"
	PriorityClassGuests        = "slipway-guests"
)

// SecretTenantRegistries in kube-system of a tenant has what its workers know of registries.
const SecretTenantRegistries = "slipway-registries"

// APIServerPort is where API servers listen, on the tenant's network and in their Service.
const APIServerPort = 6443

// Offsets in nodeCIDR. What lies below firstDynamicOffset is never allocated.
const (
	gatewayOffset      = 1
	apiServerOffset    = 10
	firstDynamicOffset = 16
)

// HostedNamespace is the namespace of the control plane, the guests and the
// child objects of the TenantCluster namespace/name. The hash keeps a-b/c and
// a/b-c apart.
func HostedNamespace(namespace, name string) string {
	sum := sha256.Sum256([]byte(namespace + "/" + name))
	return fmt.Sprintf("tenant-%s-%s", name, hex.EncodeToString(sum[:4]))
}

// IsHostedNamespace reports whether a namespace is the hosted namespace of the
// TenantCluster that its labels name. Child objects count in no other. Labels
// alone prove nothing, for whoever may patch a namespace can give them to it:
// its name has to be the one that follows from them.
func IsHostedNamespace(ns metav1.Object) bool {
	labels := ns.GetLabels()
	namespace, name := labels[LabelTenantNamespace], labels[LabelTenantName]
	return namespace != "" && name != "" &&
		ns.GetName() == HostedNamespace(namespace, name) &&
		labels[LabelTenant] == ns.GetName() &&
		ns.GetAnnotations()[AnnotationTenantUID] != ""
}

// GatewayAddress is the address of a tenant's gateway on its network.
func GatewayAddress(nodeCIDR CIDR) (netip.Addr, error) {
	return hostAddress(nodeCIDR, gatewayOffset)
}

// APIServerAddress is the address of API server replica n (from 0) on the tenant's network.
func APIServerAddress(nodeCIDR CIDR, n int) (netip.Addr, error) {
	return hostAddress(nodeCIDR, apiServerOffset+n)
}

// FirstDynamicAddress is the lowest address that a NetworkPort gets without asking for one.
func FirstDynamicAddress(nodeCIDR CIDR) (netip.Addr, error) {
	return hostAddress(nodeCIDR, firstDynamicOffset)
}

// DNSAddress is the address of the DNS Service in a serviceCIDR: the tenth, as with kubeadm.
func DNSAddress(serviceCIDR CIDR) (netip.Addr, error) {
	return hostAddress(serviceCIDR, 10)
}

// KubernetesServiceAddress is the address of the kubernetes Service: the first of serviceCIDR.
func KubernetesServiceAddress(serviceCIDR CIDR) (netip.Addr, error) {
	return hostAddress(serviceCIDR, 1)
}

// hostAddress is the address at an offset from the beginning of a range; an
// error where the text is no range or the range is too small.
func hostAddress(c CIDR, offset int) (netip.Addr, error) {
	prefix, err := netip.ParsePrefix(string(c))
	if err != nil {
		return netip.Addr{}, fmt.Errorf("parse CIDR %q: %w", c, err)
	}
	addr := prefix.Masked().Addr()
	for range offset {
		addr = addr.Next()
	}
	if !prefix.Contains(addr) {
		return netip.Addr{}, fmt.Errorf("CIDR %s has no address at offset %d", c, offset)
	}
	return addr, nil
}
