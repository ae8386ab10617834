package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

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

	Spec TenantClusterSpec `json:"spec"`
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
type TenantClusterSpec struct {
	// version of Kubernetes, for example v1.36.3.
	Version KubernetesVersion `json:"version"`

	// controlPlane sizes the hosted control plane.
	// +optional
	// +kubebuilder:default={}
	ControlPlane ControlPlane `json:"controlPlane,omitempty"`

	// network gives the address ranges and the pod network of the tenant.
	// The default is spelled out because rules are checked against it before the defaults of its fields.
	//
	// +optional
	// +kubebuilder:default={podCIDR: "10.244.0.0/16", serviceCIDR: "10.96.0.0/16", nodeCIDR: "10.200.0.0/24", cni: bridge}
	Network ClusterNetwork `json:"network,omitempty"`

	// exposure says how the API is reached from outside the management cluster.
	// +optional
	// +kubebuilder:default={}
	Exposure Exposure `json:"exposure,omitempty"`

	// dns gives the names of the tenant.
	// +optional
	// +kubebuilder:default={}
	DNS ClusterDNS `json:"dns,omitempty"`

	// registries are container registries as the workers' containerd reaches them.
	// +optional
	// +listType=map
	// +listMapKey=host
	// +kubebuilder:validation:MaxItems=16
	Registries []Registry `json:"registries,omitempty"`

	// nodePools are the groups of workers. An empty list gives a control plane alone.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=12
	// +kubebuilder:default={}
	NodePools []ClusterNodePool `json:"nodePools,omitempty"`
}

// KubernetesVersion is a release of Kubernetes that this release of Slipway runs.
//
// +kubebuilder:validation:MaxLength=20
// +kubebuilder:validation:XValidation:rule="self.matches('^v1[.][0-9]+[.][0-9]+$')",message="a version has the form v1.MINOR.PATCH, for example v1.36.3"
// +kubebuilder:validation:XValidation:rule="!self.matches('^v1[.][0-9]+[.][0-9]+$') || self in ['v1.36.3']",message="this release of Slipway does not know that version; use v1.36.3"
type KubernetesVersion string

// SupportedVersions are the releases that KubernetesVersion accepts.
var SupportedVersions = []KubernetesVersion{"v1.36.3"}

// ControlPlane sizes the pods of the hosted control plane.
type ControlPlane struct {
	// replicas of the API server, the controller manager and the scheduler.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=5
	Replicas int32 `json:"replicas,omitempty"`

	// etcd sizes the tenant's own etcd.
	// The default is spelled out because rules are checked against it before the defaults of its fields.
	//
	// +optional
	// +kubebuilder:default={replicas: 1, storage: "2Gi"}
	Etcd Etcd `json:"etcd,omitempty"`

	// resources of one API server. The smaller components take a share of their own.
	// +optional
	Resources corev1.ResourceRequirements `json:"resources,omitempty"`
}

// Etcd sizes the store of one tenant.
//
// +kubebuilder:validation:XValidation:rule="self.replicas == oldSelf.replicas",message="controlPlane.etcd.replicas cannot change; create another TenantCluster"
// +kubebuilder:validation:XValidation:rule="!has(self.storageClassName) ? !has(oldSelf.storageClassName) : has(oldSelf.storageClassName) && self.storageClassName == oldSelf.storageClassName",message="controlPlane.etcd.storageClassName cannot change; create another TenantCluster"
// +kubebuilder:validation:XValidation:rule="quantity(string(self.storage)).compareTo(quantity(string(oldSelf.storage))) == 0",message="controlPlane.etcd.storage cannot change; create another TenantCluster"
type Etcd struct {
	// replicas of etcd; an odd number, because an even one adds cost and no safety.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=5
	// +kubebuilder:validation:XValidation:rule="self % 2 == 1",message="etcd needs an odd number of replicas; use 1, 3 or 5"
	Replicas int32 `json:"replicas,omitempty"`

	// storage of one member.
	// +optional
	// +kubebuilder:default="2Gi"
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('512Mi')) >= 0",message="etcd needs at least 512Mi of storage"
	Storage resource.Quantity `json:"storage,omitzero"`

	// storageClassName of the claims; the management cluster's default class when left out.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	StorageClassName *string `json:"storageClassName,omitempty"`
}

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

// Registry is a container registry and the mirror that the workers ask in its place.
type Registry struct {
	// host is the registry as image references name it, for example docker.io.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-.a-z0-9]*[a-z0-9])?(:[0-9]+)?$')",message="host is the registry's name as in an image reference, without scheme or path; for example docker.io or registry.example.com:5000"
	Host string `json:"host"`

	// endpoint is the URL that is asked instead, for example https://mirror.example.com:5000.
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() in ['http','https']",message="endpoint must be a URL; for example https://mirror.example.com:5000"
	Endpoint string `json:"endpoint"`

	// caSecretName names a Secret beside the TenantCluster whose key ca.crt signs the endpoint's certificate.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	CASecretName string `json:"caSecretName,omitempty"`

	// credentialsSecretName names a Secret of type kubernetes.io/basic-auth beside the TenantCluster.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	CredentialsSecretName string `json:"credentialsSecretName,omitempty"`
}

// ClusterNodePool is a group of equal workers.
type ClusterNodePool struct {
	// name of the pool; workers are called NAME-XXXXX.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="a nodePool's name must be a DNS label: lower-case letters, digits and '-', beginning with a letter; for example 'workers'"
	Name string `json:"name"`

	// replicas is the number of workers. Leave it out to scale the NodePool itself, with kubectl scale or an autoscaler.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Replicas *int32 `json:"replicas,omitempty"`

	// version of the kubelet; the control plane's when left out.
	// +optional
	Version *KubernetesVersion `json:"version,omitempty"`

	// machine is the hardware of one worker.
	// +optional
	// +kubebuilder:default={}
	Machine MachineSize `json:"machine,omitempty"`

	// labels of the workers' Nodes.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.matches('(^|[.])(kubernetes|k8s)[.]io/'))",message="labels under kubernetes.io and k8s.io are Kubernetes' own and a kubelet may not set them; use a domain of your own"
	Labels map[string]NodeLabelValue `json:"labels,omitempty"`

	// taints of the workers' Nodes.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Taints []NodeTaint `json:"taints,omitempty"`
}

// NodeLabelValue is the value of a label of a Node.
//
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="self.matches('^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$')",message="a label's value has letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
type NodeLabelValue string

// NodeTaint keeps pods that do not tolerate it away from a worker.
type NodeTaint struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$')",message="a taint's key is a label key, for example example.com/dedicated"
	Key string `json:"key"`
	// +optional
	Value NodeLabelValue `json:"value,omitempty"`
	// +kubebuilder:validation:Enum=NoSchedule;PreferNoSchedule;NoExecute
	Effect corev1.TaintEffect `json:"effect"`
}

// MachineSize is the hardware of one worker.
type MachineSize struct {
	// cores of the guest.
	// +optional
	// +kubebuilder:default=2
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=128
	Cores int32 `json:"cores,omitempty"`

	// memory of the guest.
	// +optional
	// +kubebuilder:default="2Gi"
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('1Gi')) >= 0",message="a guest needs at least 1Gi of memory to run a kubelet and pods; use 1Gi or more"
	Memory resource.Quantity `json:"memory,omitzero"`

	// disk for images, containers and logs.
	// +optional
	// +kubebuilder:default="10Gi"
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('4Gi')) >= 0",message="a guest needs at least 4Gi of disk for images and logs; use 4Gi or more"
	Disk resource.Quantity `json:"disk,omitzero"`
}

// TenantClusterStatus is what is there.
type TenantClusterStatus struct {
	// observedGeneration is the generation of the spec that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// hostedNamespace is the namespace of the control plane, the guests and the child objects.
	// +optional
	HostedNamespace string `json:"hostedNamespace,omitempty"`

	// endpoint is the URL of the API from outside.
	// +optional
	Endpoint string `json:"endpoint,omitempty"`

	// kubeconfigSecretName names the Secret beside this object whose key value is a kubeconfig.
	// +optional
	KubeconfigSecretName string `json:"kubeconfigSecretName,omitempty"`

	// version that the control plane runs.
	// +optional
	Version string `json:"version,omitempty"`

	// workers counts the workers of all pools.
	// +optional
	Workers *WorkerCount `json:"workers,omitempty"`

	// timeline says how long each step took.
	// +optional
	// +listType=map
	// +listMapKey=step
	Timeline []TimelineStep `json:"timeline,omitempty"`

	// residue names objects that a deletion could not remove.
	// +optional
	// +listType=atomic
	Residue []string `json:"residue,omitempty"`

	// conditions: Ready summarises PKIReady, NetworkReady, ControlPlaneReady, AddonsReady, WorkersReady and DNSReady.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// WorkerCount counts workers.
type WorkerCount struct {
	// +optional
	Desired int32 `json:"desired"`
	// +optional
	Ready int32 `json:"ready"`
	// summary is READY/DESIRED, for people.
	// +optional
	Summary string `json:"summary,omitempty"`
}

// TimelineStep is one step of bringing a tenant up.
type TimelineStep struct {
	// step is the condition that the step makes true.
	Step string `json:"step"`
	// completedAt is when the step was first complete.
	CompletedAt metav1.Time `json:"completedAt"`
	// seconds from the creation of the TenantCluster until then.
	Seconds int64 `json:"seconds"`
}

// Condition types of a TenantCluster.
const (
	ConditionReady             = "Ready"
	ConditionPKIReady          = "PKIReady"
	ConditionNetworkReady      = "NetworkReady"
	ConditionControlPlaneReady = "ControlPlaneReady"
	ConditionAddonsReady       = "AddonsReady"
	ConditionWorkersReady      = "WorkersReady"
	ConditionDNSReady          = "DNSReady"
)

// DefaultNodeReplicas is the size of a pool whose replicas nobody has set.
const DefaultNodeReplicas = 1
