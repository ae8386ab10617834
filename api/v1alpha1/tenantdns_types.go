package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// TenantDNS asks for the DNS records of one tenant cluster.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=tenantdnses,shortName=tdns,categories=slipway
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="API",type=string,JSONPath=`.status.apiName`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type TenantDNS struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says what the cluster's names point at.
	Spec TenantDNSSpec `json:"spec"`
	// status is what the authoritative server answers. It is written by the dns-operator.
	// +optional
	Status TenantDNSStatus `json:"status,omitempty"`
}

// TenantDNSList is a list of TenantDNS.
//
// +kubebuilder:object:root=true
type TenantDNSList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []TenantDNS `json:"items"`
}

// TenantDNSSpec says what names point at. The names themselves are made by the
// dns-operator, below the base domain that it is configured with:
// api.NAME.NAMESPACE.BASE and *.apps.NAME.NAMESPACE.BASE.
type TenantDNSSpec struct {
	// tenantName is the name of the TenantCluster, and part of the names.
	TenantName string `json:"tenantName"`
	// tenantNamespace is the namespace of the TenantCluster, and part of the names.
	TenantNamespace string `json:"tenantNamespace"`
	// apiTargets are the addresses or host names of the API; no record is made while empty. A host name becomes a CNAME
	// record; where there are addresses too, they alone are published.
	// +optional
	// +listType=set
	APITargets []string `json:"apiTargets,omitempty"`
	// appsTargets are the addresses or host names at which the cluster's applications are reached. The same rules hold.
	// +optional
	// +listType=set
	AppsTargets []string `json:"appsTargets,omitempty"`
}

// TenantDNSStatus is what the authoritative server answers.
type TenantDNSStatus struct {
	// observedGeneration is the metadata.generation that this status is about. While it is smaller than that of the
	// object, the last change of spec has not been looked at.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// apiName is the name of the cluster's API, api.NAME.NAMESPACE.BASE; absent where no name is published.
	// +optional
	APIName string `json:"apiName,omitempty"`
	// appsName is the wildcard of the cluster's applications, *.apps.NAME.NAMESPACE.BASE; absent where no name is
	// published.
	// +optional
	AppsName string `json:"appsName,omitempty"`
	// conditions: Ready is True when the authoritative server answers every name as asked for, or when there is nothing
	// to publish. Its message names what is not served yet.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
