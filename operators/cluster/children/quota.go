package children

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/controlplane/etcd"
)

// Quota names the ResourceQuota of a hosted namespace.
const Quota = "slipway"

const (
	// maxPoolSize is how many workers whoever scales a pool can ask for: the maximum of NodePool's replicas.
	maxPoolSize = 100
	// maxRegistries is how many registries a TenantCluster can have.
	maxRegistries = 16
	// controlPlaneSecrets are twice those of the PKI, because cert-manager makes
	// another beside each while it issues, and the kubeconfigs.
	controlPlaneSecrets = 64
	// configMaps are those that others put into every namespace, a CA bundle for example.
	configMaps = 16
)

// ResourceQuota bounds what can come to be in a hosted namespace, so that a
// fault in one tenant, whosever it is, does not fill the management cluster. It
// is always above what the TenantCluster and the observed pools ask for, with
// everything replaced at once: what goes may be there until what comes is ready,
// or longer, as a worker is drained before. Of a pool that was removed a moment
// ago nothing but its workers may be left, which is room for another pool.
//
// CPU and memory are not bounded here: such a quota refuses every pod that sets
// none, and a LimitRange, which would set them, gives KubeVirt's containers
// limits that KubeVirt has not reckoned with.
func ResourceQuota(t controlplane.Tenant, observed []v1alpha1.NodePool) *corev1ac.ResourceQuotaApplyConfiguration {
	size := t.Spec.ControlPlane
	members := int64(size.Etcd.Replicas)
	controlPlane := 3*int64(size.Replicas) + members
	workers := workers(t, observed)
	hard := corev1.ResourceList{
		corev1.ResourcePods:                   count(2*(controlPlane+workers) + maxPoolSize),
		corev1.ResourceSecrets:                count(controlPlaneSecrets + 2*2*maxRegistries + 2*workers + maxPoolSize),
		corev1.ResourceConfigMaps:             count(configMaps),
		corev1.ResourceServices:               count(3),
		corev1.ResourceServicesNodePorts:      count(1),
		corev1.ResourceServicesLoadBalancers:  count(1),
		corev1.ResourcePersistentVolumeClaims: count(members),
		// Claims may be raised by hand, as far as etcd has a use for it.
		corev1.ResourceRequestsStorage: *resource.NewQuantity(
			members*max(size.Etcd.Storage.Value(), etcd.LargestStorage), resource.BinarySI),
	}
	return corev1ac.ResourceQuota(Quota, t.HostedNamespace).
		WithLabels(labels(t)).
		WithSpec(corev1ac.ResourceQuotaSpec().WithHard(hard))
}

// workers are how many there can be of all pools: those that a pool is to have,
// at most if that is up to whoever scales it, or still has.
func workers(t controlplane.Tenant, observed []v1alpha1.NodePool) int64 {
	sizes := map[string]int32{}
	for _, pool := range t.Spec.NodePools {
		sizes[pool.Name] = maxPoolSize
		if pool.Replicas != nil {
			sizes[pool.Name] = *pool.Replicas
		}
	}
	for _, pool := range observed {
		sizes[pool.Name] = max(sizes[pool.Name], pool.Status.Replicas)
	}
	var total int64
	for _, size := range sizes {
		total += int64(size)
	}
	return total
}

func count(number int64) resource.Quantity {
	return *resource.NewQuantity(number, resource.DecimalSI)
}
