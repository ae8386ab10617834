package zone

import (
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	externaldns "sigs.k8s.io/external-dns/apis/v1alpha1"
	"sigs.k8s.io/external-dns/endpoint"

	"slipway.dev/api/v1alpha1"
)

// recordTTL in seconds: how long resolvers may keep an address that has changed.
const recordTTL = 60

// DNSEndpoint is an apply configuration of external-dns's kind, which comes
// without one.
type DNSEndpoint struct {
	metav1ac.TypeMetaApplyConfiguration    `json:",inline"`
	*metav1ac.ObjectMetaApplyConfiguration `json:"metadata,omitempty"`

	Spec externaldns.DNSEndpointSpec `json:"spec"`
}

// IsApplyConfiguration makes it one.
func (DNSEndpoint) IsApplyConfiguration() {}

// GetKind gives the kind.
func (d DNSEndpoint) GetKind() *string { return d.Kind }

// GetAPIVersion gives the API group and version.
func (d DNSEndpoint) GetAPIVersion() *string { return d.APIVersion }

// GetName gives the name.
func (d DNSEndpoint) GetName() *string { return d.Name }

// GetNamespace gives the namespace.
func (d DNSEndpoint) GetNamespace() *string { return d.Namespace }

// Endpoint is the object that external-dns turns into the tenant's records.
func Endpoint(tenant *v1alpha1.TenantDNS, records []Record) *DNSEndpoint {
	desired := &DNSEndpoint{}
	desired.WithAPIVersion(externaldns.GroupVersion.String()).WithKind(externaldns.DNSEndpointKind)
	desired.ObjectMetaApplyConfiguration = metav1ac.ObjectMeta().
		WithName(tenant.Name).
		WithNamespace(tenant.Namespace).
		WithLabels(map[string]string{v1alpha1.LabelTenant: tenant.Namespace}).
		WithOwnerReferences(metav1ac.OwnerReference().
			WithAPIVersion(v1alpha1.GroupVersion.String()).
			WithKind("TenantDNS").
			WithName(tenant.Name).
			WithUID(tenant.UID).
			WithController(true).
			WithBlockOwnerDeletion(true))
	for _, record := range records {
		byType := map[string][]string{}
		for _, target := range record.Targets {
			kind := endpoint.RecordTypeA
			if target.Is6() {
				kind = endpoint.RecordTypeAAAA
			}
			byType[kind] = append(byType[kind], target.String())
		}
		for _, kind := range []string{endpoint.RecordTypeA, endpoint.RecordTypeAAAA} {
			if targets := byType[kind]; len(targets) > 0 {
				desired.Spec.Endpoints = append(desired.Spec.Endpoints,
					&endpoint.Endpoint{DNSName: record.Name, RecordType: kind, RecordTTL: recordTTL, Targets: targets})
			}
		}
	}
	return desired
}
