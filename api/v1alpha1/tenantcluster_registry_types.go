package v1alpha1

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
