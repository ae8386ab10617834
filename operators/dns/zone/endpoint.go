package zone

import (
	"maps"
	"slices"

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

// GetKind returns the kind.
func (d DNSEndpoint) GetKind() *string { return d.Kind }

// GetAPIVersion returns the API group and version.
func (d DNSEndpoint) GetAPIVersion() *string { return d.APIVersion }

// GetName returns the name.
func (d DNSEndpoint) GetName() *string { return d.Name }

// GetNamespace returns the namespace.
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
		desired.Spec.Endpoints = append(desired.Spec.Endpoints, endpoints(record)...)
	}
	return desired
}

// endpoints of a record: one for each type.
func endpoints(record Record) []*endpoint.Endpoint {
	byType := map[string][]string{}
	for _, address := range record.Target.Addresses {
		kind := endpoint.RecordTypeA
		if address.Is6() {
			kind = endpoint.RecordTypeAAAA
		}
		byType[kind] = append(byType[kind], address.String())
	}
	if alias := record.Target.Alias; alias != "" {
		byType[endpoint.RecordTypeCNAME] = []string{alias}
	}
	var result []*endpoint.Endpoint
	for _, kind := range slices.Sorted(maps.Keys(byType)) {
		result = append(result, &endpoint.Endpoint{DNSName: record.Name, RecordType: kind, RecordTTL: recordTTL, Targets: byType[kind]})
	}
	return result
}
