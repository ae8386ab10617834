package tenantcluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/children"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/controlplane/apiserver"
	"slipway.dev/operators/cluster/controlplane/controllermanager"
	"slipway.dev/operators/cluster/controlplane/etcd"
	"slipway.dev/operators/cluster/controlplane/scheduler"
	"slipway.dev/operators/cluster/report"
)

// plan is what shall be there, in the order in which it is written.
type plan struct {
	tenant   controlplane.Tenant
	handover []*slipwayac.NodePoolApplyConfiguration
	objects  []runtime.ApplyConfiguration
	// waiting names what holds up the first component that cannot be written yet.
	waiting string
	// problems with objects that the user has given.
	problems []string
	endpoint string
	// kubeconfig names the user's Secret; empty when it cannot be written.
	kubeconfig string
	// ownKubeconfig is the operator's own way in.
	ownKubeconfig []byte
}

func (p *plan) add(objects ...runtime.ApplyConfiguration) {
	p.objects = append(p.objects, objects...)
}

// wait notes what a component waits for; the first note stays.
func (p *plan) wait(format string, args ...any) {
	if p.waiting == "" {
		p.waiting = fmt.Sprintf(format, args...)
	}
}

// names of the planned objects of a kind.
func (p *plan) names(kind string) sets.Set[string] {
	names := sets.New[string]()
	for _, object := range p.objects {
		encoded, err := json.Marshal(object)
		if err != nil {
			continue
		}
		if meta, err := decodeMetadata(encoded); err == nil && meta.Kind == kind {
			names.Insert(meta.Name)
		}
	}
	return names
}

// plan decides what shall be there. Everything whose inputs exist is part of it
// at once; only pods wait, for what they mount and plug into.
func (r *Reconciler) plan(ctx context.Context, seen *observation) (*plan, error) {
	wanted := &plan{tenant: r.tenant(seen)}
	t := wanted.tenant
	wanted.add(children.Namespace(seen.cluster), etcd.Service(t), etcd.ClientService(t), apiserver.Service(t))
	if err := r.planChildren(seen, wanted); err != nil {
		return nil, err
	}
	if err := r.planRegistries(ctx, seen, wanted); err != nil {
		return nil, err
	}
	if t.EtcdClusterIP == "" || t.APIServerClusterIP == "" {
		wanted.wait("Service %s: no address yet", controlplane.EtcdClientService)
		return wanted, nil
	}
	if err := r.planKubeconfigs(ctx, seen, wanted); err != nil {
		return nil, err
	}
	if err := r.planControlPlane(seen, wanted); err != nil {
		return nil, err
	}
	return wanted, nil
}

func (r *Reconciler) tenant(seen *observation) controlplane.Tenant {
	tenant := controlplane.Tenant{
		Name:               seen.cluster.Name,
		HostedNamespace:    seen.hosted,
		Spec:               seen.cluster.Spec,
		Images:             r.Config.Images,
		IssuedSecrets:      map[string]string{},
		EtcdClusterIP:      seen.clusterIP(controlplane.EtcdClientService),
		APIServerClusterIP: seen.clusterIP(controlplane.APIServer),
	}
	if seen.pki != nil {
		for _, secret := range seen.pki.Status.Secrets {
			tenant.IssuedSecrets[secret.Name] = secret.Hash
		}
	}
	return tenant
}

func (r *Reconciler) planChildren(seen *observation, wanted *plan) error {
	t := wanted.tenant
	hosts := r.exposedHosts(seen)
	external := hosts
	if r.Config.BaseDomain != "" {
		external = append(external, fmt.Sprintf("api.%s.%s.%s", seen.cluster.Name, seen.cluster.Namespace, r.Config.BaseDomain))
	}
	pki, err := children.TenantPKI(t, external...)
	if err != nil {
		return err
	}
	wanted.add(children.TenantNetwork(t), pki, children.TenantDNS(t, seen.cluster.Namespace, hosts))
	if t.EtcdClusterIP != "" {
		ports, err := children.NetworkPorts(t)
		if err != nil {
			return err
		}
		for _, port := range ports {
			wanted.add(port)
		}
	}
	wanted.handover = children.Handover(t, seen.pools)
	pools, err := children.NodePools(t)
	if err != nil {
		return err
	}
	for _, pool := range pools {
		wanted.add(pool)
	}
	return nil
}

func (r *Reconciler) planRegistries(ctx context.Context, seen *observation, wanted *plan) error {
	sources := map[string]*corev1.Secret{}
	for _, name := range children.RegistrySecretNames(seen.cluster.Spec) {
		secret := &corev1.Secret{}
		err := r.Live.Get(ctx, client.ObjectKey{Namespace: seen.cluster.Namespace, Name: name}, secret)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("get Secret %s: %w", name, err)
		}
		sources[name] = secret
	}
	copies, problems := children.RegistrySecrets(wanted.tenant, sources)
	wanted.problems = problems
	for _, secret := range copies {
		wanted.add(secret)
	}
	return nil
}

// planControlPlane adds etcd's claims at once, and each component as soon as
// what it mounts is there. The API server starts beside etcd, as it waits for it
// by itself; what talks to the API server starts when it answers, because it
// would exit and be backed off.
func (r *Reconciler) planControlPlane(seen *observation, wanted *plan) error {
	t := wanted.tenant
	for _, claim := range etcd.Claims(t) {
		// A claim that is there is left alone: its size may have been raised by hand.
		if !seen.has("PersistentVolumeClaim", *claim.Name) {
			wanted.add(claim)
		}
	}
	if missing := t.MissingSecrets(etcd.PKI); len(missing) > 0 {
		wanted.wait("TenantPKI %s: Secrets not issued yet: %s", t.Name, strings.Join(missing, ", "))
	} else {
		wanted.add(etcd.StatefulSet(t))
	}

	switch missing := t.MissingSecrets(apiserver.PKI); {
	case len(missing) > 0:
		wanted.wait("TenantPKI %s: Secrets not issued yet: %s", t.Name, strings.Join(missing, ", "))
	case !seen.has("StatefulSet", controlplane.APIServer) && !networkReady(seen.network):
		wanted.wait("TenantNetwork %s is not ready yet", t.Name)
	case !seen.has("StatefulSet", controlplane.APIServer) && unallocatedPort(seen, t) != "":
		wanted.wait("NetworkPort %s has no address yet", unallocatedPort(seen, t))
	default:
		set, err := apiserver.StatefulSet(t)
		if err != nil {
			return err
		}
		wanted.add(set)
	}

	answers := report.APIServerReady(seen.workloads)
	missing := t.MissingSecrets(controllermanager.PKI)
	if len(missing) == 0 && (answers || seen.has("Deployment", controlplane.ControllerManager)) {
		wanted.add(controllermanager.Deployment(t))
	}
	missing = t.MissingSecrets(scheduler.PKI)
	if len(missing) == 0 && (answers || seen.has("Deployment", controlplane.Scheduler)) {
		wanted.add(scheduler.Deployment(t))
	}
	return nil
}

func networkReady(network *v1alpha1.TenantNetwork) bool {
	return network != nil && meta.IsStatusConditionTrue(network.Status.Conditions, v1alpha1.ConditionReady)
}

// unallocatedPort names the first NIC of an API server that has no identity
// yet. A pod that is plugged in before is retried only after a while.
func unallocatedPort(seen *observation, t controlplane.Tenant) string {
	replicas, err := apiserver.Replicas(t)
	if err != nil {
		return err.Error()
	}
	for _, replica := range replicas {
		if port := named(seen.ports, replica.PodName); port == nil || port.Status.IPAddress == "" || port.Status.MACAddress == "" {
			return replica.PodName
		}
	}
	return ""
}

// exposedHosts are the names and addresses at which the API is reached from
// outside, which do not depend on the port.
func (r *Reconciler) exposedHosts(seen *observation) []string {
	switch seen.cluster.Spec.Exposure.Type {
	case v1alpha1.ExposureNodePort:
		if r.Config.ExposureHost != "" {
			return []string{r.Config.ExposureHost}
		}
	case v1alpha1.ExposureLoadBalancer:
		return ingressHosts(seen.service(controlplane.APIServer))
	case v1alpha1.ExposureClusterIP:
	}
	return nil
}

func ingressHosts(service *corev1.Service) []string {
	var hosts []string
	if service == nil {
		return nil
	}
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		if ingress.IP != "" {
			hosts = append(hosts, ingress.IP)
		} else if ingress.Hostname != "" {
			hosts = append(hosts, ingress.Hostname)
		}
	}
	return hosts
}

// endpoint is the URL of the API from outside; empty until it is known.
func (r *Reconciler) endpoint(seen *observation, t controlplane.Tenant) string {
	service := seen.service(controlplane.APIServer)
	host, port := t.ServiceHost(controlplane.APIServer), int32(v1alpha1.APIServerPort)
	switch {
	case service == nil:
		return ""
	case seen.cluster.Spec.Exposure.Type == v1alpha1.ExposureLoadBalancer:
		hosts := ingressHosts(service)
		if len(hosts) == 0 {
			return ""
		}
		host = hosts[0]
	case seen.cluster.Spec.Exposure.Type == v1alpha1.ExposureNodePort && r.Config.ExposureHost != "":
		if len(service.Spec.Ports) == 0 || service.Spec.Ports[0].NodePort == 0 {
			return ""
		}
		host, port = r.Config.ExposureHost, service.Spec.Ports[0].NodePort
	}
	return "https://" + net.JoinHostPort(host, strconv.Itoa(int(port)))
}
