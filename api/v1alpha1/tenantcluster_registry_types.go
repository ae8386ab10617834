package v1alpha1

// Registry is a container registry and the mirror that the workers ask in its place.
//
// +kubebuilder:validation:XValidation:rule="!has(self.caSecretName) || !self.endpoint.startsWith('http://')",message="an endpoint of http has no certificate that a CA could sign; use an https endpoint, or leave caSecretName out"
type Registry struct {
	// host is the registry as image references name it, with its port if they
	// do.
	// Examples: docker.io, registry.example.com:5000
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*(:[0-9]+)?$')",message="host is the registry's name as in an image reference, without scheme or path; for example docker.io or registry.example.com:5000"
	// +kubebuilder:validation:XValidation:rule="!self.matches('^[^:]*:[0-9]+$') || self.matches(':([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$')",message="the port of host is no port; use a number from 1 to 65535, for example registry.example.com:5000"
	// +kubebuilder:validation:XValidation:rule="!self.matches('(^|[.])[0-9]+(:[0-9]*)?$') || isIP(self.split(':')[0])",message="host ends like an address and is none; use a DNS name or an IPv4 address, for example docker.io"
	Host string `json:"host"`

	// endpoint is the URL that the workers ask instead: http or https, a host,
	// and if need be a port and a path. A path that begins with /v2/ is where a
	// project is below the registry's API, as Harbor has it; after others comes /v2.
	// Examples: https://mirror.example.com:5000, https://harbor.example.com/v2/hub
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://[^/?#]') && (isURL(self) || self.matches('^https?://[^/?#@:]+:[^/?#@:]*(/|$)'))",message="endpoint must be a URL of http or https; for example https://mirror.example.com:5000"
	// +kubebuilder:validation:XValidation:rule="!self.contains('@')",message="endpoint must not hold credentials, which everybody who reads the object would see; use credentialsSecretName"
	// +kubebuilder:validation:XValidation:rule="!self.contains('?') && !self.contains('#')",message="endpoint must have neither query nor fragment; use for example https://mirror.example.com:5000/path"
	// +kubebuilder:validation:XValidation:rule="!self.matches('^https?://[^/?#@]+(/|$)') || self.matches('^https?://[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?([.][a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)*(:[^/]*)?(/|$)')",message="the host of endpoint is neither a DNS name nor an IPv4 address; use for example https://mirror.example.com:5000"
	// +kubebuilder:validation:XValidation:rule="!self.matches('^https?://[^/?#@:]*:[^/?#@:]*(/|$)') || self.matches('^https?://[^/]*:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])(/|$)')",message="the port of endpoint is no port; use a number from 1 to 65535, for example https://mirror.example.com:5000"
	// +kubebuilder:validation:XValidation:rule="!self.matches('^https?://[^/?#]+/[^?#]*$') || self.matches('^https?://[^/]+(/[-A-Za-z0-9._~%]*)*$') && !self.matches('/[.]{1,2}(/|$)')",message="the path of endpoint is none that a registry serves; use letters, digits, '-', '_', '.', '~' and '/', for example https://mirror.example.com/docker"
	// +kubebuilder:validation:XValidation:rule="!self.matches('^https?://([^/@]*[.])?[0-9]+(:[^/@]*)?(/|$)') || isIP(self.split('/')[2].split(':')[0])",message="the host of endpoint ends like an address and is none; use a DNS name or an IPv4 address, for example https://mirror.example.com:5000"
	Endpoint string `json:"endpoint"`

	// caSecretName is a Secret beside the TenantCluster, Opaque or of type
	// kubernetes.io/tls and with the label slipway.dev/share-with-workers=true.
	// Its key ca.crt is the certificate authority, in PEM, that signed the
	// endpoint's certificate.
	// Default: the public authorities.
	// Example: mirror-ca
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="no Secret can have that name; use lower-case letters, digits, '-' and '.', for example mirror-ca, or leave caSecretName out"
	CASecretName string `json:"caSecretName,omitempty"`

	// credentialsSecretName is a Secret of type kubernetes.io/basic-auth beside
	// the TenantCluster, with the keys username and password and the label
	// slipway.dev/share-with-workers=true. Whoever administers the cluster can
	// read them: use an account that can do nothing but pull.
	// Default: no credentials.
	// Example: mirror-credentials
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="no Secret can have that name; use lower-case letters, digits, '-' and '.', for example mirror-credentials, or leave credentialsSecretName out"
	CredentialsSecretName string `json:"credentialsSecretName,omitempty"`
}
