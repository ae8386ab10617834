package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// TenantPKI asks for the certificate authorities, certificates and service-account keys of one tenant cluster.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=tenantpkis,shortName=tpki,categories=slipway
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Expires",type=string,JSONPath=`.status.notAfter`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type TenantPKI struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says which names and addresses the certificates must be valid for.
	Spec TenantPKISpec `json:"spec"`
	// status says which certificates are issued. It is written by the cert-operator.
	// +optional
	Status TenantPKIStatus `json:"status,omitempty"`
}

// TenantPKIList is a list of TenantPKI.
//
// +kubebuilder:object:root=true
type TenantPKIList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []TenantPKI `json:"items"`
}

// TenantPKISpec holds what certificates must be valid for.
type TenantPKISpec struct {
	// apiServer are the names and addresses of the API server; localhost and 127.0.0.1 are always added.
	APIServer SubjectAltNames `json:"apiServer"`
	// etcd are the names and addresses of every member of etcd; localhost and 127.0.0.1 are always added.
	Etcd SubjectAltNames `json:"etcd"`
}

// SubjectAltNames are what a serving certificate is valid for.
type SubjectAltNames struct {
	// dnsNames that the certificate is valid for.
	// +optional
	// +listType=set
	DNSNames []string `json:"dnsNames,omitempty"`
	// ipAddresses that the certificate is valid for.
	// +optional
	// +listType=set
	IPAddresses []string `json:"ipAddresses,omitempty"`
}

// TenantPKIStatus says which Secrets are there.
type TenantPKIStatus struct {
	// observedGeneration is the metadata.generation that this status is about. While it is smaller than that of the
	// object, the last change of spec has not been looked at.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// secrets are those that are issued, in the namespace of this object.
	// +optional
	// +listType=map
	// +listMapKey=name
	Secrets []IssuedSecret `json:"secrets,omitempty"`
	// notAfter is when the first of the certificates expires. They are renewed before that.
	// +optional
	NotAfter *metav1.Time `json:"notAfter,omitempty"`
	// conditions: Ready is True when all certificates are issued and valid for what spec names. Its message names the one
	// that is missing.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// IssuedSecret is a Secret that holds a key pair.
type IssuedSecret struct {
	// name of the Secret, for example apiserver.
	Name string `json:"name"`
	// hash of the Secret's data: the first 16 hex digits of its SHA-256. It changes when the certificate is renewed.
	Hash string `json:"hash"`
	// notAfter is when the certificate expires; absent where the Secret has keys alone.
	// +optional
	NotAfter *metav1.Time `json:"notAfter,omitempty"`
}

// Secrets in the hosted namespace, written by the cert-operator. Those of
// certificates have the keys tls.crt, tls.key and ca.crt.
const (
	SecretCA                     = "ca"
	SecretEtcdCA                 = "etcd-ca"
	SecretFrontProxyCA           = "front-proxy-ca"
	SecretAPIServer              = "apiserver"
	SecretAPIServerKubeletClient = "apiserver-kubelet-client"
	SecretAPIServerEtcdClient    = "apiserver-etcd-client"
	SecretFrontProxyClient       = "front-proxy-client"
	SecretEtcdServer             = "etcd-server"
	SecretEtcdPeer               = "etcd-peer"
	SecretControllerManager      = "controller-manager"
	SecretScheduler              = "scheduler"
	// SecretAdmin is the user's, in GroupClusterAdmins.
	SecretAdmin = "admin"
	// SecretClusterOperator and SecretKVMOperator are those operators' ways into the tenant.
	SecretClusterOperator = "cluster-operator"
	SecretKVMOperator     = "kvm-operator"
	// SecretServiceAccount has the keys sa.key and sa.pub, PEM.
	SecretServiceAccount = "service-account"
)

// Users and groups of a tenant: in certificates, tokens and kubeconfigs, and in
// the tenant's RBAC.
const (
	// GroupClusterAdmins is the group of a tenant's users, bound to cluster-admin in
	// the tenant. Unlike those of system:masters, its rights can be taken away.
	GroupClusterAdmins = "slipway:cluster-admins"
	// GroupBootstrappers is the group of every worker until it has its own certificate.
	GroupBootstrappers = "system:bootstrappers:slipway"
	// UserClusterOperator and UserKVMOperator are those operators in the tenant.
	UserClusterOperator = "slipway:cluster-operator"
	UserKVMOperator     = "slipway:kvm-operator"
	// UserKubeletClient is the API server where it speaks to kubelets.
	UserKubeletClient = "kube-apiserver-kubelet-client"
)

// Secrets in the hosted namespace with a kubeconfig under KubeconfigKey,
// written by the cluster-operator.
const (
	SecretClusterOperatorKubeconfig = "cluster-operator-kubeconfig"
	SecretKVMOperatorKubeconfig     = "kvm-operator-kubeconfig"
	KubeconfigKey                   = "kubeconfig"
)
