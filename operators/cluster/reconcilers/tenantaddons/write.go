package tenantaddons

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/tenantapi"
	"slipway.dev/operators/cluster/addons"
	"slipway.dev/operators/cluster/controlplane"
)

const (
	// checkInterval is how often a tenant's add-ons are checked. Its admin may
	// delete any of them, and only cluster DNS is watched: watches of all their
	// kinds would cost each tenant more than a few reads now and then.
	checkInterval = 10 * time.Minute
	// checkJitter spreads the checks of tenants that were connected to at the same
	// time, as after a restart: they come after ten to fifteen minutes.
	checkJitter = 0.5
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

// progress is how far the add-ons of one tenant are. One worker at a time looks
// after a tenant.
type progress struct {
	// connection and settings are what it counts for: with another of either, all
	// add-ons are written again.
	connection *tenantapi.Tenant
	settings   addons.Settings
	// written are the add-ons as the tenant took them last; nil is one that it has not taken yet.
	written []*metav1.PartialObjectMetadata
	// next is the first add-on that this pass has not come to.
	next int
	// checkAt is when the next pass begins.
	checkAt time.Time
	// generation of cluster DNS as it was written.
	generation int64
}

// write goes on with the pass over the add-ons that is under way, or begins
// another when one is due. deployment is cluster DNS as it was last seen, or nil.
func (p *progress) write(ctx context.Context, tenant *tenantapi.Tenant, settings addons.Settings, deployment *appsv1.Deployment, now time.Time) error {
	objects := addons.Objects(settings)
	if p.connection != tenant || !reflect.DeepEqual(p.settings, settings) {
		*p = progress{connection: tenant, settings: settings, written: make([]*metav1.PartialObjectMetadata, len(objects))}
	}
	changed := deployment == nil || deployment.Generation > p.generation
	if p.next == len(objects) && (changed || !now.Before(p.checkAt)) {
		p.next = 0
	}
	if p.next == len(objects) {
		return nil
	}
	err := tenant.Do(ctx, func(ctx context.Context, c client.Client) error {
		for ; p.next < len(objects); p.next++ {
			if err := p.ensure(ctx, c, objects[p.next]); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		p.checkAt = now.Add(wait.Jitter(checkInterval, checkJitter))
	}
	return err
}

// ensure writes the next add-on, unless the tenant has it as it took it last.
func (p *progress) ensure(ctx context.Context, c client.Client, object runtime.ApplyConfiguration) error {
	if written := p.written[p.next]; written != nil {
		same, err := unchanged(ctx, c, written)
		if same || ctx.Err() != nil {
			return err
		}
		// One that cannot be read is written too: why that fails is reported.
	}
	if err := apply.Objects(ctx, c, owner, object); err != nil {
		return refused(ctx, c, object, err)
	}
	written, err := metadataOf(object)
	if err != nil {
		return err
	}
	p.written[p.next] = written
	if _, ok := object.(*appsv1ac.DeploymentApplyConfiguration); ok {
		p.generation = written.Generation
	}
	return nil
}

// unchanged reports whether the tenant still has an object as it was written. Of
// one with a generation, which has a status too, that is what counts.
func unchanged(ctx context.Context, c client.Client, written *metav1.PartialObjectMetadata) (bool, error) {
	found := &metav1.PartialObjectMetadata{TypeMeta: written.TypeMeta}
	if err := c.Get(ctx, client.ObjectKeyFromObject(written), found); apierrors.IsNotFound(err) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("check tenant's %s %s: %w", written.Kind, written.Name, err)
	}
	if found.UID != written.UID || found.Generation != written.Generation {
		return false, nil
	}
	return written.Generation > 0 || found.ResourceVersion == written.ResourceVersion, nil
}

// metadataOf reads the metadata of an object; once it has been applied, it is
// what the API server has answered.
func metadataOf(object runtime.ApplyConfiguration) (*metav1.PartialObjectMetadata, error) {
	encoded, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", object, err)
	}
	full := &metav1.PartialObjectMetadata{}
	if err := json.Unmarshal(encoded, full); err != nil {
		return nil, fmt.Errorf("read metadata of %T: %w", object, err)
	}
	return &metav1.PartialObjectMetadata{
		TypeMeta: full.TypeMeta,
		ObjectMeta: metav1.ObjectMeta{
			Namespace: full.Namespace, Name: full.Name, UID: full.UID,
			Generation: full.Generation, ResourceVersion: full.ResourceVersion,
		},
	}, nil
}

func desired(cluster *v1alpha1.TenantCluster, pools []v1alpha1.NodePool, images controlplane.Images) (addons.Settings, error) {
	spec := cluster.Spec
	address, err := v1alpha1.DNSAddress(spec.Network.ServiceCIDR)
	if err != nil {
		return addons.Settings{}, fmt.Errorf("address of cluster DNS: %w", err)
	}
	return addons.Settings{
		DNS: addons.DNS{
			// By its tag: under that name it is part of the guest's image, which has a digest, and no registry is asked for it.
			Image:      fmt.Sprintf("%s/%s:%s", images.Registry, addons.CoreDNS, images.CoreDNSTag),
			Domain:     spec.DNS.Domain,
			IssuerHost: controlplane.IssuerHost(cluster.UID, spec.DNS.Domain),
			Address:    address.String(),
			Placement:  addons.PlacementOn(pools),
		},
		NetworkPolicies: spec.Network.CNI == v1alpha1.CNIBridge,
	}, nil
}
