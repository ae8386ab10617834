package desired

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/controlplane/apiserver"
	"slipway.dev/operators/cluster/controlplane/controllermanager"
	"slipway.dev/operators/cluster/controlplane/etcd"
	"slipway.dev/operators/cluster/controlplane/scheduler"
	"slipway.dev/operators/cluster/observed"
)

var services = map[string]func(controlplane.Tenant) *corev1ac.ServiceApplyConfiguration{
	controlplane.Etcd:              etcd.Service,
	controlplane.EtcdClientService: etcd.ClientService,
	controlplane.APIServer:         apiserver.Service,
}

// component is a workload of the control plane, with what it depends on.
type component struct {
	name string
	// needs must be met whenever the workload is written.
	needs []dependency
	// starts must be met before it is written for the first time: a pod that comes
	// too early fails, and is tried again only after a back-off.
	starts   []dependency
	workload func(controlplane.Tenant) (runtime.ApplyConfiguration, error)
	current  func(*observed.Tenant) observed.Object
}

// dependency says what is missing, and names it; empty when nothing is.
type dependency func(*observed.Tenant, controlplane.Tenant) (missing string)

// components in the order in which they start. The API server starts beside
// etcd, as it waits for it by itself.
var components = []component{
	{
		name:     controlplane.Etcd,
		needs:    []dependency{image(controlplane.Etcd), addresses, secrets(etcd.PKI)},
		workload: infallible(etcd.StatefulSet),
		current:  statefulSet(controlplane.Etcd),
	},
	{
		name:   controlplane.APIServer,
		needs:  []dependency{image(controlplane.APIServer), addresses, secrets(apiserver.PKI)},
		starts: []dependency{network, networkPorts},
		workload: func(t controlplane.Tenant) (runtime.ApplyConfiguration, error) {
			return apiserver.StatefulSet(t)
		},
		current: statefulSet(controlplane.APIServer),
	},
	{
		name:     controlplane.ControllerManager,
		needs:    []dependency{image(controlplane.ControllerManager), addresses, secrets(controllermanager.PKI)},
		starts:   []dependency{apiServer},
		workload: infallible(controllermanager.Deployment),
		current:  deployment(controlplane.ControllerManager),
	},
	{
		name:     controlplane.Scheduler,
		needs:    []dependency{image(controlplane.Scheduler), addresses, secrets(scheduler.PKI)},
		starts:   []dependency{apiServer},
		workload: infallible(scheduler.Deployment),
		current:  deployment(controlplane.Scheduler),
	},
}

func (b *builder) components() error {
	for _, c := range components {
		current := c.current(b.seen)
		if missing := c.missing(b.seen, b.tenant, current != nil); missing != "" {
			b.Waiting[c.name] = missing
			continue
		}
		workload, err := c.workload(b.tenant)
		if err != nil {
			return err
		}
		b.Objects = append(b.Objects, Object{Desired: workload, Observed: current})
	}
	return nil
}

// missing is what the component waits for; empty when nothing does.
func (c component) missing(seen *observed.Tenant, t controlplane.Tenant, started bool) string {
	for _, need := range c.needs {
		if missing := need(seen, t); missing != "" {
			return missing
		}
	}
	if started {
		return ""
	}
	for _, need := range c.starts {
		if missing := need(seen, t); missing != "" {
			return missing
		}
	}
	return ""
}

// image that may run: one without a digest may not where others have one, and
// what runs already is left alone.
func image(component string) dependency {
	return func(_ *observed.Tenant, t controlplane.Tenant) string { return t.MissingImage(component) }
}

// addresses of Services: components find each other through /etc/hosts.
func addresses(_ *observed.Tenant, t controlplane.Tenant) string {
	switch {
	case t.EtcdClusterIP == "":
		return fmt.Sprintf("Service %s: no address yet", controlplane.EtcdClientService)
	case t.APIServerClusterIP == "":
		return fmt.Sprintf("Service %s: no address yet", controlplane.APIServer)
	default:
		return ""
	}
}

func secrets(mounted []controlplane.SecretFiles) dependency {
	return func(_ *observed.Tenant, t controlplane.Tenant) string {
		if missing := t.MissingSecrets(mounted); len(missing) > 0 {
			return fmt.Sprintf("TenantPKI %s: Secrets not issued yet: %s", t.Name, strings.Join(missing, ", "))
		}
		return ""
	}
}

func network(seen *observed.Tenant, t controlplane.Tenant) string {
	if seen.Network == nil || !meta.IsStatusConditionTrue(seen.Network.Status.Conditions, v1alpha1.ConditionReady) {
		return fmt.Sprintf("TenantNetwork %s is not ready yet", t.Name)
	}
	return ""
}

func networkPorts(seen *observed.Tenant, t controlplane.Tenant) string {
	replicas, err := apiserver.Replicas(t)
	if err != nil {
		return err.Error()
	}
	for _, replica := range replicas {
		port := observed.Named(seen.Ports, replica.PodName)
		if port == nil || port.Status.IPAddress == "" || port.Status.MACAddress == "" {
			return fmt.Sprintf("NetworkPort %s has no address yet", replica.PodName)
		}
	}
	return ""
}

// apiServer answers when one replica is ready.
func apiServer(seen *observed.Tenant, _ controlplane.Tenant) string {
	set := observed.Named(seen.StatefulSets, controlplane.APIServer)
	if set == nil || set.Status.ReadyReplicas == 0 {
		return fmt.Sprintf("StatefulSet %s: no replica answers yet", controlplane.APIServer)
	}
	return ""
}

func infallible[T runtime.ApplyConfiguration](workload func(controlplane.Tenant) T) func(controlplane.Tenant) (runtime.ApplyConfiguration, error) {
	return func(t controlplane.Tenant) (runtime.ApplyConfiguration, error) { return workload(t), nil }
}

func statefulSet(name string) func(*observed.Tenant) observed.Object {
	return func(seen *observed.Tenant) observed.Object { return orNil(observed.Named(seen.StatefulSets, name)) }
}

func deployment(name string) func(*observed.Tenant) observed.Object {
	return func(seen *observed.Tenant) observed.Object { return orNil(observed.Named(seen.Deployments, name)) }
}
