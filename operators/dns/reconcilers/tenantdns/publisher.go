// Package tenantdns publishes the DNS records of a TenantDNS, and finds out
// whether they are served. That is the work of two controllers, so that a server
// which answers late or not at all keeps no tenant's records from being
// published or withdrawn.
package tenantdns

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	externaldns "sigs.k8s.io/external-dns/apis/v1alpha1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/finalizer"
	"slipway.dev/kit/namespace"
	"slipway.dev/operators/dns/zone"
)

const fieldOwner client.FieldOwner = "slipway-dns-operator"

// Finalizer keeps a TenantDNS until its records are gone.
const Finalizer = "slipway.dev/dns-records"

// Publisher keeps the DNSEndpoint of a TenantDNS. It talks to nobody but the API.
type Publisher struct {
	Client client.Client
	// BaseDomain is where the tenants' names begin.
	BaseDomain string

	records *apply.Writer
}

// Reconcile publishes the records of one TenantDNS, or withdraws them.
func (p *Publisher) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	tenant := &v1alpha1.TenantDNS{}
	if err := p.Client.Get(ctx, request.NamespacedName, tenant); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	hosted, err := namespace.Get(ctx, p.Client, tenant.Namespace)
	if err != nil {
		return ctrl.Result{}, err
	}
	endpoint, err := endpointOf(ctx, p.Client, tenant)
	if err != nil {
		return ctrl.Result{}, err
	}
	plan := zone.PlanOf(tenant, hosted, p.BaseDomain)
	switch {
	case plan.Withdraw:
		return ctrl.Result{}, p.withdraw(ctx, endpoint)
	case plan.Verdict != nil:
		return ctrl.Result{}, nil
	}
	if err := finalizer.Ensure(ctx, p.Client, tenant, Finalizer); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, p.records.Apply(ctx, zone.Endpoint(tenant, plan.Records), endpoint)
}

func (p *Publisher) withdraw(ctx context.Context, endpoint *metav1.PartialObjectMetadata) error {
	if endpoint == nil || endpoint.DeletionTimestamp != nil {
		return nil
	}
	err := p.Client.Delete(ctx, endpoint, client.Preconditions{UID: &endpoint.UID})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete DNSEndpoint %s: %w", endpoint.Name, err)
	}
	return nil
}

// endpointOf reads the metadata of the DNSEndpoint that belongs to a TenantDNS;
// nil where there is none. One of that name which is somebody else's is left alone.
func endpointOf(ctx context.Context, reader client.Reader, tenant *v1alpha1.TenantDNS) (*metav1.PartialObjectMetadata, error) {
	endpoint := &metav1.PartialObjectMetadata{TypeMeta: endpointKind}
	err := reader.Get(ctx, client.ObjectKeyFromObject(tenant), endpoint)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("get DNSEndpoint %s: %w", tenant.Name, err)
	}
	if err != nil || !metav1.IsControlledBy(endpoint, tenant) {
		return nil, nil
	}
	return endpoint, nil
}

var endpointKind = metav1.TypeMeta{APIVersion: externaldns.GroupVersion.String(), Kind: externaldns.DNSEndpointKind}
