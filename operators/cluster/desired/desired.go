// Package desired decides what there should be of a tenant in the management
// cluster, from what there is. It reads and writes nothing.
package desired

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/children"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/controlplane/apiserver"
	"slipway.dev/operators/cluster/controlplane/etcd"
	"slipway.dev/operators/cluster/observed"
)

// Config is what the operator's flags say.
type Config struct {
	Images controlplane.Images
	// ExposureHost is the address at which NodePorts of the management cluster
	// are reached from outside; empty when they are not.
	ExposureHost string
	// BaseDomain is the domain below which the dns-operator makes names; empty without it.
	BaseDomain string
}

// Object is one object as it should be, and as it is.
type Object struct {
	// Handover of a NodePool comes before Desired, and belongs to an owner of its
	// own; nil without one.
	Handover *slipwayac.NodePoolApplyConfiguration
	Desired  runtime.ApplyConfiguration
	// Observed is nil when the object is not there.
	Observed observed.Object
}

// State is the desired state of a tenant.
type State struct {
	// Objects in the order in which they are written.
	Objects []Object
	// Unwanted objects exist and are not desired.
	Unwanted []observed.Object

	// Waiting says, by component, what holds up one that cannot be written yet.
	Waiting map[string]string
	// Conflict says what is in the place of the user's kubeconfig; empty when nothing is.
	Conflict string
	// KubeconfigWaits says what the user's kubeconfig waits for; empty when nothing is missing.
	KubeconfigWaits string
	// Problems with objects that the user has given.
	Problems []string
	// Endpoint is the API's URL from outside; empty until it has one.
	Endpoint string
	// Kubeconfig names the user's Secret; empty when it is not there and cannot be written.
	Kubeconfig string
}

// Tenant computes the desired state. Everything whose inputs exist is part of it
// at once; only pods wait, for what they mount and plug into.
func Tenant(seen *observed.Tenant, config Config) (*State, error) {
	b := &builder{seen: seen, config: config, tenant: tenant(seen, config), State: State{Waiting: map[string]string{}}}
	t := b.tenant
	add(b, children.Namespace(seen.Cluster), seen.Namespace)
	for _, service := range []string{controlplane.Etcd, controlplane.EtcdClientService, controlplane.APIServer} {
		add(b, services[service](t), observed.Named(seen.Services, service))
	}
	if err := b.children(); err != nil {
		return nil, err
	}
	if err := b.pools(); err != nil {
		return nil, err
	}
	b.registries()
	b.quota()
	b.Endpoint = endpoint(seen, t, config)
	if t.EtcdClusterIP != "" && t.APIServerClusterIP != "" {
		if err := b.kubeconfigs(); err != nil {
			return nil, err
		}
	}
	for _, claim := range etcd.Claims(t) {
		// A claim that is there is left alone: its size may have been raised by hand.
		if observed.Named(seen.Claims, *claim.Name) == nil {
			b.Objects = append(b.Objects, Object{Desired: claim})
		}
	}
	if err := b.components(); err != nil {
		return nil, err
	}
	return &b.State, nil
}

// builder puts a State together.
type builder struct {
	State
	seen   *observed.Tenant
	config Config
	tenant controlplane.Tenant
}

// add takes the observed object as a pointer, which is nil when there is none.
func add[T any, P interface {
	*T
	observed.Object
}](b *builder, object runtime.ApplyConfiguration, current P) {
	b.Objects = append(b.Objects, Object{Desired: object, Observed: orNil(current)})
}

func orNil[T any, P interface {
	*T
	observed.Object
}](object P) observed.Object {
	if object == nil {
		return nil
	}
	return object
}

func tenant(seen *observed.Tenant, config Config) controlplane.Tenant {
	tenant := controlplane.Tenant{
		Name:               seen.Name,
		UID:                seen.UID,
		HostedNamespace:    seen.HostedNamespace(),
		Spec:               seen.Cluster.Spec,
		Images:             config.Images,
		IssuedSecrets:      map[string]string{},
		EtcdClusterIP:      seen.ClusterIP(controlplane.EtcdClientService),
		APIServerClusterIP: seen.ClusterIP(controlplane.APIServer),
	}
	if seen.PKI != nil {
		for _, secret := range seen.PKI.Status.Secrets {
			tenant.IssuedSecrets[secret.Name] = secret.Hash
		}
	}
	return tenant
}

// children are the objects by which other operators learn what the tenant needs.
func (b *builder) children() error {
	t, seen := b.tenant, b.seen
	hosts := exposedHosts(seen, b.config)
	external := slices.Clone(hosts)
	if b.config.BaseDomain != "" {
		external = append(external, fmt.Sprintf("api.%s.%s.%s", seen.Name, seen.Identity.Namespace, b.config.BaseDomain))
	}
	pki, err := children.TenantPKI(t, external...)
	if err != nil {
		return err
	}
	add(b, children.TenantNetwork(t), seen.Network)
	add(b, pki, seen.PKI)
	add(b, children.TenantDNS(t, seen.Identity.Namespace, hosts), seen.DNS)
	return b.ports()
}

func (b *builder) ports() error {
	replicas, err := apiserver.Replicas(b.tenant)
	if err != nil {
		return err
	}
	wanted := sets.New[string]()
	for _, replica := range replicas {
		wanted.Insert(replica.PodName)
	}
	prune(&b.State, b.seen.APIServerPorts(), wanted)
	if b.tenant.EtcdClusterIP == "" {
		return nil
	}
	ports, err := children.NetworkPorts(b.tenant)
	if err != nil {
		return err
	}
	for _, port := range ports {
		add(b, port, observed.Named(b.seen.Ports, *port.Name))
	}
	return nil
}

func (b *builder) pools() error {
	handover := children.Handover(b.tenant, values(b.seen.Pools))
	pools, err := children.NodePools(b.tenant)
	if err != nil {
		return err
	}
	for _, pool := range pools {
		current := orNil(observed.Named(b.seen.Pools, *pool.Name))
		b.Objects = append(b.Objects, Object{Handover: handover[*pool.Name], Desired: pool, Observed: current})
	}
	wanted := sets.New[string]()
	for _, pool := range b.seen.Cluster.Spec.NodePools {
		wanted.Insert(pool.Name)
	}
	prune(&b.State, b.seen.Pools, wanted)
	return nil
}

// quota bounds the hosted namespace once the control plane stands: for a moment
// after a quota is made nothing that it counts is admitted, and what is refused
// then comes seconds later.
func (b *builder) quota() {
	current := observed.Named(b.seen.Quotas, children.Quota)
	scheduler := observed.Named(b.seen.Deployments, controlplane.Scheduler)
	if current == nil && (scheduler == nil || scheduler.Status.ReadyReplicas == 0) {
		return
	}
	add(b, children.ResourceQuota(b.tenant, values(b.seen.Pools)), current)
}

// registries copies the Secrets that registries name. A copy stays as long as a
// registry names its source and its owner shares it, also while it is missing.
func (b *builder) registries() {
	copies, problems := children.RegistrySecrets(b.tenant, b.seen.RegistrySources)
	b.Problems = problems
	for _, secret := range copies {
		add(b, secret, observed.Named(b.seen.Secrets, *secret.Name))
	}
	prune(&b.State, b.seen.RegistryCopies(), sets.New(children.RegistryCopyNames(b.tenant.Spec, b.seen.RegistrySources)...))
}

// prune marks those of the objects as unwanted whose names are not wanted.
func prune[T observed.Object](state *State, objects []T, wanted sets.Set[string]) {
	for _, object := range objects {
		if !wanted.Has(object.GetName()) {
			state.Unwanted = append(state.Unwanted, object)
		}
	}
}

func values(pools []*v1alpha1.NodePool) []v1alpha1.NodePool {
	result := make([]v1alpha1.NodePool, len(pools))
	for n, pool := range pools {
		result[n] = *pool
	}
	return result
}
