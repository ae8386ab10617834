package v1alpha1

// CNI is who provides the pod network.
//
// +kubebuilder:validation:Enum=bridge;none
type CNI string

const (
	// CNIBridge is Slipway's pod network: a bridge on each worker, routed by the
	// tenant's gateway.
	CNIBridge CNI = "bridge"
	// CNINone leaves the pod network to the tenant, who installs one of their
	// own.
	CNINone CNI = "none"
)

// ClusterNetwork has the address ranges of a tenant. Tenants may use equal ranges.
//
// +kubebuilder:validation:XValidation:rule="self.podCIDR == oldSelf.podCIDR && self.serviceCIDR == oldSelf.serviceCIDR && self.nodeCIDR == oldSelf.nodeCIDR",message="podCIDR, serviceCIDR and nodeCIDR cannot change; create another TenantCluster"
// +kubebuilder:validation:XValidation:rule="self.cni == oldSelf.cni",message="network.cni cannot change; create another TenantCluster"
// +kubebuilder:validation:XValidation:rule="has(self.mtu) ? has(oldSelf.mtu) && self.mtu == oldSelf.mtu : !has(oldSelf.mtu)",message="network.mtu cannot be set, changed or taken away under running workers; create another TenantCluster"
// +kubebuilder:validation:XValidation:rule="!isCIDR(self.podCIDR) || !isCIDR(self.serviceCIDR) || !(cidr(self.podCIDR).containsIP(cidr(self.serviceCIDR).masked().ip()) || cidr(self.serviceCIDR).containsIP(cidr(self.podCIDR).masked().ip()))",message="podCIDR and serviceCIDR overlap; use ranges of their own, for example 10.244.0.0/16 and 10.96.0.0/16"
// +kubebuilder:validation:XValidation:rule="!isCIDR(self.podCIDR) || !isCIDR(self.nodeCIDR) || !(cidr(self.podCIDR).containsIP(cidr(self.nodeCIDR).masked().ip()) || cidr(self.nodeCIDR).containsIP(cidr(self.podCIDR).masked().ip()))",message="podCIDR and nodeCIDR overlap; use ranges of their own, for example 10.244.0.0/16 and 10.200.0.0/24"
// +kubebuilder:validation:XValidation:rule="!isCIDR(self.serviceCIDR) || !isCIDR(self.nodeCIDR) || !(cidr(self.serviceCIDR).containsIP(cidr(self.nodeCIDR).masked().ip()) || cidr(self.nodeCIDR).containsIP(cidr(self.serviceCIDR).masked().ip()))",message="serviceCIDR and nodeCIDR overlap; use ranges of their own, for example 10.96.0.0/16 and 10.200.0.0/24"
type ClusterNetwork struct {
	// podCIDR is the IPv4 range of the pods' addresses, from /8 to /22. Each
	// worker takes a /24 of it. It cannot change.
	// Default: 10.244.0.0/16, which is for 255 workers.
	// +optional
	// +kubebuilder:default="10.244.0.0/16"
	// +kubebuilder:validation:XValidation:rule="!isCIDR(self) || cidr(self).ip().family() == 6 || cidr(self).prefixLength() <= 22",message="podCIDR is too small: each worker takes a /24; use /22 or larger, for example 10.244.0.0/16"
	// +kubebuilder:validation:XValidation:rule="!isCIDR(self) || cidr(self).ip().family() == 6 || cidr(self).prefixLength() >= 8",message="podCIDR is too large: Kubernetes hands out at most 65536 ranges for workers; use /8 or smaller, for example 10.244.0.0/16"
	// +kubebuilder:validation:XValidation:rule="!isCIDR(self) || ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/3'].all(r, !cidr(r).containsIP(cidr(self).masked().ip()) && !cidr(self).containsIP(cidr(r).ip()))",message="podCIDR meets a range that no network can have: 0.0.0.0/8, loopback 127.0.0.0/8, link-local 169.254.0.0/16, or multicast and reserved 224.0.0.0/3; use a private range, for example 10.244.0.0/16"
	PodCIDR CIDR `json:"podCIDR,omitempty"`

	// serviceCIDR is the IPv4 range of the Services' addresses, from /12 to /24.
	// It cannot change.
	// Default: 10.96.0.0/16
	// +optional
	// +kubebuilder:default="10.96.0.0/16"
	// +kubebuilder:validation:XValidation:rule="!isCIDR(self) || cidr(self).ip().family() == 6 || (cidr(self).prefixLength() >= 12 && cidr(self).prefixLength() <= 24)",message="serviceCIDR must be between /12 and /24, for example 10.96.0.0/16"
	// +kubebuilder:validation:XValidation:rule="!isCIDR(self) || ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/3'].all(r, !cidr(r).containsIP(cidr(self).masked().ip()) && !cidr(self).containsIP(cidr(r).ip()))",message="serviceCIDR meets a range that no network can have: 0.0.0.0/8, loopback 127.0.0.0/8, link-local 169.254.0.0/16, or multicast and reserved 224.0.0.0/3; use a private range, for example 10.96.0.0/16"
	ServiceCIDR CIDR `json:"serviceCIDR,omitempty"`

	// nodeCIDR is the IPv4 range of the cluster's own network, which workers,
	// API servers and the gateway are on, from /16 to /26. It cannot change.
	// Default: 10.200.0.0/24, which is for 238 workers.
	// +optional
	// +kubebuilder:default="10.200.0.0/24"
	// +kubebuilder:validation:XValidation:rule="!isCIDR(self) || cidr(self).ip().family() == 6 || cidr(self).prefixLength() <= 26",message="nodeCIDR is too small: sixteen addresses are set aside for gateway and API servers; use /26 or larger, for example 10.200.0.0/24"
	// +kubebuilder:validation:XValidation:rule="!isCIDR(self) || cidr(self).ip().family() == 6 || cidr(self).prefixLength() >= 16",message="nodeCIDR is too large: it is one network without routers inside; use /16 or smaller, for example 10.200.0.0/24"
	// +kubebuilder:validation:XValidation:rule="!isCIDR(self) || ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/3'].all(r, !cidr(r).containsIP(cidr(self).masked().ip()) && !cidr(self).containsIP(cidr(r).ip()))",message="nodeCIDR meets a range that no network can have: 0.0.0.0/8, loopback 127.0.0.0/8, link-local 169.254.0.0/16, or multicast and reserved 224.0.0.0/3; use a private range, for example 10.200.0.0/24"
	NodeCIDR CIDR `json:"nodeCIDR,omitempty"`

	// mtu is the size in bytes of the largest packet on the cluster's own
	// network, from 1280 to 8950. It cannot change.
	// Default: what the management cluster's network leaves room for.
	// Example: 1400
	// +optional
	// +kubebuilder:validation:Minimum=1280
	// +kubebuilder:validation:Maximum=8950
	MTU *int32 `json:"mtu,omitempty"`

	// cni is who provides the pod network and enforces NetworkPolicies: bridge is
	// Slipway; with none the workers are not Ready until you install a network
	// plugin of your own. It cannot change.
	// Default: bridge
	// +optional
	// +kubebuilder:default=bridge
	CNI CNI `json:"cni,omitempty"`
}

// CIDR is an IPv4 range in its canonical form, for example 10.244.0.0/16.
//
// +kubebuilder:validation:MaxLength=43
// +kubebuilder:validation:XValidation:rule="isCIDR(self) && cidr(self).ip().family() == 4",message="not an IPv4 range; write it as ADDRESS/PREFIX, for example 10.244.0.0/16"
// +kubebuilder:validation:XValidation:rule="!isCIDR(self) || cidr(self).ip().family() == 6 || cidr(self) == cidr(self).masked()",message="the address has bits set beyond its prefix; write the first address of the range, for example 10.244.0.0/16"
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
	// ExposureLoadBalancer asks the management cluster's load balancer for an
	// address.
	ExposureLoadBalancer ExposureType = "LoadBalancer"
)

// Exposure says how the tenant's API is reached from outside the management cluster.
type Exposure struct {
	// type is how the API is reached: NodePort is a port of every node of the
	// management cluster, LoadBalancer an address of its load balancer, and with
	// ClusterIP the API is reached from inside the management cluster only.
	// Default: NodePort
	// +optional
	// +kubebuilder:default=NodePort
	Type ExposureType `json:"type,omitempty"`

	// certSANs are further names and addresses that the API server's certificate
	// is valid for, in addition to those that Slipway gives it. At most 16.
	// Example: [api.example.com, 192.0.2.10]
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	CertSANs []SubjectAltName `json:"certSANs,omitempty"`
}

// SubjectAltName is a DNS name, which may begin with a wildcard, or an IP address.
//
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:XValidation:rule="isIP(self) || self.matches('^([*][.])?([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?[.])*[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$') && !self.matches('(^|[.])[0-9]+$')",message="not a DNS name or IP address; use the bare lower-case name or address without scheme, port or prefix, for example api.example.com or 192.0.2.10"
// +kubebuilder:validation:XValidation:rule="!isIP(self) || ip(self).isGlobalUnicast() || ip(self).isLoopback()",message="nobody can connect to that address; use the address of a host, for example 192.0.2.10"
// +kubebuilder:validation:XValidation:rule="!isIP(self) || ip.isCanonical(self)",message="the address is not in its canonical form; use the shortest lower-case form, for example 2001:db8::1"
type SubjectAltName string

// ClusterDNS has the names of a tenant.
type ClusterDNS struct {
	// domain is the DNS domain of Services inside the cluster: a Service is
	// SERVICE.NAMESPACE.svc.DOMAIN. It has at most 120 characters and cannot
	// change.
	// Default: cluster.local
	// +optional
	// +kubebuilder:default="cluster.local"
	// +kubebuilder:validation:MaxLength=120
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$') && !self.matches('(^|[.])[0-9]+$')",message="not a DNS domain; use lower-case labels separated by dots, for example cluster.local"
	// +kubebuilder:validation:XValidation:rule="self.split('.').all(label, size(label) <= 63)",message="a label of a DNS domain has at most 63 characters; use a shorter one, for example cluster.local"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="dns.domain cannot change; create another TenantCluster"
	Domain string `json:"domain,omitempty"`
}
