package v1alpha1

// CNI is who provides the pod network.
//
// +kubebuilder:validation:Enum=bridge;none
type CNI string

const (
	// CNIBridge is Slipway's pod network: a bridge on each worker, routed by the tenant's gateway.
	CNIBridge CNI = "bridge"
	// CNINone leaves the pod network to the tenant, who installs one of their own.
	CNINone CNI = "none"
)

// ClusterNetwork gives the address ranges of a tenant. Tenants may use equal ranges.
//
// +kubebuilder:validation:XValidation:rule="self.podCIDR == oldSelf.podCIDR && self.serviceCIDR == oldSelf.serviceCIDR && self.nodeCIDR == oldSelf.nodeCIDR",message="podCIDR, serviceCIDR and nodeCIDR cannot change; create another TenantCluster"
// +kubebuilder:validation:XValidation:rule="self.cni == oldSelf.cni",message="network.cni cannot change; create another TenantCluster"
// +kubebuilder:validation:XValidation:rule="!isCIDR(self.podCIDR) || !isCIDR(self.serviceCIDR) || !(cidr(self.podCIDR).containsIP(cidr(self.serviceCIDR).masked().ip()) || cidr(self.serviceCIDR).containsIP(cidr(self.podCIDR).masked().ip()))",message="podCIDR and serviceCIDR overlap; use ranges of their own, for example 10.244.0.0/16 and 10.96.0.0/16"
// +kubebuilder:validation:XValidation:rule="!isCIDR(self.podCIDR) || !isCIDR(self.nodeCIDR) || !(cidr(self.podCIDR).containsIP(cidr(self.nodeCIDR).masked().ip()) || cidr(self.nodeCIDR).containsIP(cidr(self.podCIDR).masked().ip()))",message="podCIDR and nodeCIDR overlap; use ranges of their own, for example 10.244.0.0/16 and 10.200.0.0/24"
// +kubebuilder:validation:XValidation:rule="!isCIDR(self.serviceCIDR) || !isCIDR(self.nodeCIDR) || !(cidr(self.serviceCIDR).containsIP(cidr(self.nodeCIDR).masked().ip()) || cidr(self.nodeCIDR).containsIP(cidr(self.serviceCIDR).masked().ip()))",message="serviceCIDR and nodeCIDR overlap; use ranges of their own, for example 10.96.0.0/16 and 10.200.0.0/24"
type ClusterNetwork struct {
	// podCIDR is the range of pod addresses; each worker gets a /24 of it.
	// +optional
	// +kubebuilder:default="10.244.0.0/16"
	// +kubebuilder:validation:XValidation:rule="!isCIDR(self) || cidr(self).prefixLength() <= 22",message="podCIDR is too small: each worker takes a /24; use /22 or larger, for example 10.244.0.0/16"
	PodCIDR CIDR `json:"podCIDR,omitempty"`

	// serviceCIDR is the range of Service addresses.
	// +optional
	// +kubebuilder:default="10.96.0.0/16"
	// +kubebuilder:validation:XValidation:rule="!isCIDR(self) || (cidr(self).prefixLength() >= 12 && cidr(self).prefixLength() <= 24)",message="serviceCIDR must be between /12 and /24, for example 10.96.0.0/16"
	ServiceCIDR CIDR `json:"serviceCIDR,omitempty"`

	// nodeCIDR is the range of the tenant's own network: workers, API servers and the gateway.
	// +optional
	// +kubebuilder:default="10.200.0.0/24"
	// +kubebuilder:validation:XValidation:rule="!isCIDR(self) || cidr(self).prefixLength() <= 26",message="nodeCIDR is too small: sixteen addresses are set aside for gateway and API servers; use /26 or larger, for example 10.200.0.0/24"
	NodeCIDR CIDR `json:"nodeCIDR,omitempty"`

	// mtu of the tenant's network in bytes. What the management network leaves when left out.
	// +optional
	// +kubebuilder:validation:Minimum=1280
	// +kubebuilder:validation:Maximum=8950
	MTU *int32 `json:"mtu,omitempty"`

	// cni is who provides the pod network: bridge (Slipway) or none (the tenant).
	// +optional
	// +kubebuilder:default=bridge
	CNI CNI `json:"cni,omitempty"`
}

// CIDR is an IPv4 range in its canonical form, for example 10.244.0.0/16.
//
// +kubebuilder:validation:MaxLength=18
// +kubebuilder:validation:XValidation:rule="isCIDR(self) && cidr(self).ip().family() == 4",message="not an IPv4 range; write it as ADDRESS/PREFIX, for example 10.244.0.0/16"
// +kubebuilder:validation:XValidation:rule="!isCIDR(self) || cidr(self) == cidr(self).masked()",message="the address has bits set beyond its prefix; write the first address of the range, for example 10.244.0.0/16"
type CIDR string

// ExposureType is the kind of Service in front of the API server.
//
// +kubebuilder:validation:Enum=ClusterIP;NodePort;LoadBalancer
type ExposureType string

const (
	// ExposureClusterIP keeps the API inside the management cluster.
	ExposureClusterIP ExposureType = "ClusterIP"
	// ExposureNodePort publishes the API on a port of every management node.
	ExposureNodePort ExposureType = "NodePort"
	// ExposureLoadBalancer asks the management cluster's load balancer for an address.
	ExposureLoadBalancer ExposureType = "LoadBalancer"
)

// Exposure says how the tenant's API is reached from outside the management cluster.
type Exposure struct {
	// type of the Service in front of the API server.
	// +optional
	// +kubebuilder:default=NodePort
	Type ExposureType `json:"type,omitempty"`

	// certSANs are further names and addresses that the API server's certificate is valid for.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=253
	CertSANs []string `json:"certSANs,omitempty"`
}

// ClusterDNS gives the names of a tenant.
type ClusterDNS struct {
	// domain is the DNS domain inside the tenant.
	// +optional
	// +kubebuilder:default="cluster.local"
	// +kubebuilder:validation:MaxLength=120
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="not a DNS domain; use lower-case labels separated by dots, for example cluster.local"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="dns.domain cannot change; create another TenantCluster"
	Domain string `json:"domain,omitempty"`
}
