package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// TenantCluster is one nested Kubernetes cluster, in the namespace of the team that owns it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=tc,categories=slipway
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.spec.version`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Workers",type=string,JSONPath=`.status.workers.summary`
// +kubebuilder:printcolumn:name="Endpoint",type=string,JSONPath=`.status.endpoint`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 40",message="metadata.name must have at most 40 characters, because names of namespaces, hosts and DNS records are made from it; use a shorter name"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must be a DNS label: lower-case letters, digits and '-', beginning with a letter, without dots; for example 'team-a'"
type TenantCluster struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the cluster that you ask for.
	Spec TenantClusterSpec `json:"spec"`
	// status is how far the cluster is. Slipway writes it; what you write here is lost.
	// +optional
	Status TenantClusterStatus `json:"status,omitempty"`
}

// TenantClusterList is a list of TenantCluster.
//
// +kubebuilder:object:root=true
type TenantClusterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []TenantCluster `json:"items"`
}

// TenantClusterSpec is what a team asks for.
//
// +kubebuilder:validation:XValidation:rule="self.nodePools.all(p, !has(p.version) || !semver(p.version, true).isGreaterThan(semver(self.version, true)))",message="a nodePool may not run a newer Kubernetes than the control plane; leave nodePools[].version out, or set it to at most spec.version"
// +kubebuilder:validation:XValidation:rule="self.nodePools.all(p, !has(p.version) || semver(self.version, true).minor() - semver(p.version, true).minor() <= 3)",message="a nodePool may be at most three minor versions behind the control plane; raise nodePools[].version"
// +kubebuilder:validation:XValidation:rule="!semver(self.version, true).isLessThan(semver(oldSelf.version, true))",message="spec.version cannot go back; keep it, or set a newer version"
// +kubebuilder:validation:XValidation:rule="semver(self.version, true).minor() - semver(oldSelf.version, true).minor() <= 1",message="spec.version can be raised by one minor version at a time; raise it step by step"
// +kubebuilder:validation:XValidation:rule="!isCIDR(self.network.podCIDR) || cidr(self.network.podCIDR).prefixLength() > 22 || self.nodePools.map(p, has(p.replicas) ? p.replicas : 1).sum() < [4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048][[22 - cidr(self.network.podCIDR).prefixLength(), 9].min()]",message="the nodePools have more workers than podCIDR has ranges for: each worker takes a /24, and one is kept for replacements; use fewer replicas, or a larger network.podCIDR: a /16 is for at most 255 workers"
// +kubebuilder:validation:XValidation:rule="!isCIDR(self.network.nodeCIDR) || cidr(self.network.nodeCIDR).prefixLength() > 26 || self.nodePools.map(p, has(p.replicas) ? p.replicas : 1).sum() + 17 < [64, 128, 256, 512, 1024, 2048][[26 - cidr(self.network.nodeCIDR).prefixLength(), 5].min()]",message="the nodePools have more workers than nodeCIDR has addresses for: 17 are set aside, and one is kept for replacements; use fewer replicas, or a larger network.nodeCIDR: a /24 is for at most 238 workers"
type TenantClusterSpec struct {
	// version of Kubernetes that the control plane runs, and the workers where a
	// pool does not say otherwise. It can be raised by one minor version at a
	// time and never lowered.
	// Example: v1.36.3
	Version KubernetesVersion `json:"version"`

	// controlPlane sizes the API server, the controller manager, the scheduler
	// and etcd. They run outside the cluster's own workers.
	// Default: one of each.
	// +optional
	// +kubebuilder:default={}
	ControlPlane ControlPlane `json:"controlPlane,omitempty"`

	// The default is spelled out because rules are checked against it before the
	// defaults of its fields.

	// network sets the address ranges of the cluster and says who provides the
	// pod network. Other tenants may use the same ranges. Nothing of it can
	// change later.
	//
	// +optional
	// +kubebuilder:default={podCIDR: "10.244.0.0/16", serviceCIDR: "10.96.0.0/16", nodeCIDR: "10.200.0.0/24", cni: bridge}
	Network ClusterNetwork `json:"network,omitempty"`

	// exposure says how the cluster's API is reached from outside the management
	// cluster.
	// Default: on a port of the management cluster's nodes.
	// +optional
	// +kubebuilder:default={}
	Exposure Exposure `json:"exposure,omitempty"`

	// dns sets the DNS domain inside the cluster. Zones and names of your own go
	// into a ConfigMap coredns-custom in kube-system of the tenant, with keys that
	// end in .server and .override.
	// Default: cluster.local
	// +optional
	// +kubebuilder:default={}
	DNS ClusterDNS `json:"dns,omitempty"`

	// registries says at which URL the workers' containerd asks for the images
	// of a registry, which certificate authority it trusts there, and which
	// credentials it presents. Registries that are not listed are asked at their
	// own address, without credentials.
	// Default: none. At most 16.
	// +optional
	// +listType=map
	// +listMapKey=host
	// +kubebuilder:validation:MaxItems=16
	Registries []Registry `json:"registries,omitempty"`

	// nodePools are groups of equal workers.
	// Default: none, which makes a control plane without workers. At most 12.
	// Example: [{name: workers, replicas: 3}]
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=12
	// +kubebuilder:default={}
	NodePools []ClusterNodePool `json:"nodePools,omitempty"`
}
