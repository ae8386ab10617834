package children

import (
	"fmt"
	"net"
	"strconv"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/controlplane"
)

// annotationReplicasFrom on a NodePool says that its replicas are the TenantCluster's.
const annotationReplicasFrom = "slipway.dev/replicas-from"

// replicasFromTenantCluster is the value of annotationReplicasFrom.
const replicasFromTenantCluster = "TenantCluster"

// NodePools are the groups of workers. Replicas are part of the object only
// where the TenantCluster sets them; otherwise they belong to whoever scales
// the pool.
func NodePools(t controlplane.Tenant) ([]*slipwayac.NodePoolApplyConfiguration, error) {
	pools := make([]*slipwayac.NodePoolApplyConfiguration, 0, len(t.Spec.NodePools))
	for _, pool := range t.Spec.NodePools {
		version := t.Spec.Version
		if pool.Version != nil {
			version = *pool.Version
		}
		cluster, err := machineCluster(t)
		if err != nil {
			return nil, err
		}
		template := slipwayac.MachineSpec().
			WithVersion(version).
			WithNetworkName(t.Name).
			WithMachine(slipwayac.MachineSize().
				WithCores(pool.Machine.Cores).WithMemory(pool.Machine.Memory).WithDisk(pool.Machine.Disk)).
			WithLabels(pool.Labels).
			WithCluster(cluster)
		for _, taint := range pool.Taints {
			template.WithTaints(slipwayac.NodeTaint().WithKey(taint.Key).WithValue(taint.Value).WithEffect(taint.Effect))
		}
		if pool.Kubelet != nil {
			template.WithKubelet(kubeletSettings(*pool.Kubelet))
		}
		spec := slipwayac.NodePoolSpec().WithTemplate(template)
		spec.DrainTimeoutSeconds = pool.DrainTimeoutSeconds
		object := slipwayac.NodePool(pool.Name, t.HostedNamespace).WithLabels(labels(t)).WithSpec(spec)
		if pool.Replicas != nil {
			spec.WithReplicas(*pool.Replicas)
			object.WithAnnotations(map[string]string{annotationReplicasFrom: replicasFromTenantCluster})
		}
		pools = append(pools, object)
	}
	return pools, nil
}

func kubeletSettings(settings v1alpha1.KubeletSettings) *slipwayac.KubeletSettingsApplyConfiguration {
	object := slipwayac.KubeletSettings().WithEvictionHard(settings.EvictionHard)
	object.MaxPods, object.ShutdownGracePeriodSeconds = settings.MaxPods, settings.ShutdownGracePeriodSeconds
	if reserved := settings.Reserved; reserved != (v1alpha1.KubeletReserved{}) {
		object.WithReserved(slipwayac.KubeletReserved())
		if reserved.CPU != "" {
			object.Reserved.WithCPU(reserved.CPU)
		}
		if reserved.Memory != "" {
			object.Reserved.WithMemory(reserved.Memory)
		}
	}
	return object
}

// Handover hands a pool whose replicas the TenantCluster no longer sets to
// whoever scales it, with the number it has. Applied by an owner of its own
// before NodePools are: else the field would lose its last owner, and fall back
// to its default. The result is by the pools' names.
func Handover(t controlplane.Tenant, observed []v1alpha1.NodePool) map[string]*slipwayac.NodePoolApplyConfiguration {
	free := map[string]bool{}
	for _, pool := range t.Spec.NodePools {
		free[pool.Name] = pool.Replicas == nil
	}
	result := map[string]*slipwayac.NodePoolApplyConfiguration{}
	for _, pool := range observed {
		if !free[pool.Name] || pool.Annotations[annotationReplicasFrom] == "" || pool.Spec.Replicas == nil {
			continue
		}
		// Somebody may scale it at this moment: a number that is no longer its own is refused.
		result[pool.Name] = slipwayac.NodePool(pool.Name, t.HostedNamespace).WithResourceVersion(pool.ResourceVersion).
			WithSpec(slipwayac.NodePoolSpec().WithReplicas(*pool.Spec.Replicas))
	}
	return result
}

func machineCluster(t controlplane.Tenant) (*slipwayac.MachineClusterApplyConfiguration, error) {
	apiServer, err := v1alpha1.APIServerAddress(t.Spec.Network.NodeCIDR, 0)
	if err != nil {
		return nil, fmt.Errorf("address of the API server: %w", err)
	}
	dns, err := v1alpha1.DNSAddress(t.Spec.Network.ServiceCIDR)
	if err != nil {
		return nil, fmt.Errorf("address of the DNS Service: %w", err)
	}
	cluster := slipwayac.MachineCluster().
		WithAPIServer("https://" + net.JoinHostPort(apiServer.String(), strconv.Itoa(v1alpha1.APIServerPort))).
		WithDNSAddress(dns.String()).
		WithDNSDomain(t.Spec.DNS.Domain).
		WithPodCIDR(t.Spec.Network.PodCIDR).
		WithCNI(t.Spec.Network.CNI)
	for _, registry := range t.Spec.Registries {
		object := slipwayac.Registry().WithHost(registry.Host).WithEndpoint(registry.Endpoint)
		if registry.CASecretName != "" {
			object.WithCASecretName(caCopy(registry.CASecretName))
		}
		if registry.CredentialsSecretName != "" {
			object.WithCredentialsSecretName(credentialsCopy(registry.CredentialsSecretName))
		}
		cluster.WithRegistries(object)
	}
	return cluster, nil
}
