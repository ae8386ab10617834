package tenantaddons

import (
	"context"
	"fmt"
	"sync"

	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/tenantapi"
	"slipway.dev/operators/cluster/addons"
	"slipway.dev/operators/cluster/controlplane"
)

// written is the progress with each tenant, by hosted namespace.
type written struct {
	mu      sync.Mutex
	tenants map[string]*progress
}

func (w *written) of(hosted string) *progress {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.tenants == nil {
		w.tenants = map[string]*progress{}
	}
	if w.tenants[hosted] == nil {
		w.tenants[hosted] = &progress{}
	}
	return w.tenants[hosted]
}

func (w *written) forget(hosted string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.tenants, hosted)
}

// progress says how many of the add-ons have been written into a tenant. One
// worker at a time looks after a tenant.
type progress struct {
	// connection and dns are what it counts for: with another of either, all
	// add-ons are written again. A tenant's own changes stay until then.
	connection *tenantapi.Tenant
	dns        addons.DNS
	next       int
	// generation of cluster DNS as it was written.
	generation int64
}

// write goes on with the first add-on that is not written yet, and begins anew
// when cluster DNS was removed.
func (p *progress) write(ctx context.Context, tenant *tenantapi.Tenant, dns addons.DNS, present bool) error {
	objects := append(addons.RBAC(), addons.ClusterDNS(dns)...)
	if p.connection != tenant || p.dns != dns || (p.next == len(objects) && !present) {
		p.connection, p.dns, p.next = tenant, dns, 0
	}
	if p.next == len(objects) {
		return nil
	}
	return tenant.Do(ctx, func(ctx context.Context, c client.Client) error {
		for ; p.next < len(objects); p.next++ {
			object := objects[p.next]
			if err := apply.Objects(ctx, c, owner, object); err != nil {
				return refused(ctx, c, object, err)
			}
			if deployment, ok := object.(*appsv1ac.DeploymentApplyConfiguration); ok && deployment.Generation != nil {
				p.generation = *deployment.Generation
			}
		}
		return nil
	})
}

func desiredDNS(cluster *v1alpha1.TenantCluster, images controlplane.Images) (addons.DNS, error) {
	spec := cluster.Spec
	address, err := v1alpha1.DNSAddress(spec.Network.ServiceCIDR)
	if err != nil {
		return addons.DNS{}, fmt.Errorf("address of cluster DNS: %w", err)
	}
	return addons.DNS{
		// By its tag: under that name it is part of the guest's image, which has a digest, and no registry is asked for it.
		Image:      fmt.Sprintf("%s/%s:%s", images.Registry, addons.CoreDNS, images.CoreDNSTag),
		Domain:     spec.DNS.Domain,
		IssuerHost: controlplane.IssuerHost(cluster.UID, spec.DNS.Domain),
		Address:    address.String(),
		Replicas:   spec.ControlPlane.Replicas,
	}, nil
}
