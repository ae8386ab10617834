package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// TenantDNS asks for the DNS records of one tenant.
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

	Spec TenantDNSSpec `json:"spec"`
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
	// tenantName and tenantNamespace are those of the TenantCluster.
	TenantName      string `json:"tenantName"`
	TenantNamespace string `json:"tenantNamespace"`
	// apiTargets are the addresses or host names of the API; no record is made while empty. A host name becomes a CNAME
	// record; where there are addresses too, they alone are published.
	// +optional
	// +listType=set
	APITargets []string `json:"apiTargets,omitempty"`
	// appsTargets are the addresses or host names at which the tenant's applications are exposed.
	// +optional
	// +listType=set
	AppsTargets []string `json:"appsTargets,omitempty"`
}

// TenantDNSStatus is what the authoritative server answers.
type TenantDNSStatus struct {
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// apiName is the fully qualified name of the API; absent where no name is published.
	// +optional
	APIName string `json:"apiName,omitempty"`
	// appsName is the wildcard below which applications are found; absent where no name is published.
	// +optional
	AppsName string `json:"appsName,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
