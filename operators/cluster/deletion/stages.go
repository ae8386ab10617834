package deletion

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/observed"
)

// How long the objects of each stage may take.
const (
	PodsBound      = 2 * time.Minute
	networkBound   = 30 * time.Second
	namespaceBound = time.Minute
	networkIDBound = 30 * time.Second
)

// Stages are what there is, in the order in which it goes. What does not depend
// on each other goes at once. seen is nil when the hosted namespace is gone.
// identifiers are removed by the network-operator.
func Stages(seen *observed.Tenant, identifiers []*v1alpha1.VirtualNetworkID) []Stage {
	pods := Stage{Name: "workers, control plane and DNS", Bound: PodsBound}
	network := Stage{Name: "network and PKI", Bound: networkBound}
	namespace := Stage{Name: "namespace", Bound: namespaceBound}
	if seen != nil {
		// Workers that go with their whole cluster are not drained, and do not need its API.
		pods.Objects = slices.Concat(workers(seen), controlPlane(seen), dns(seen))
		network.Objects = slices.Concat(networks(seen), pki(seen))
		namespace.Objects = []Object{{Kind: "Namespace", Object: seen.Namespace, Reason: namespaceReason(seen.Namespace)}}
	}
	last := Stage{Name: "VirtualNetworkID", Bound: networkIDBound}
	for _, identifier := range identifiers {
		last.Objects = append(last.Objects, Object{Kind: "VirtualNetworkID", Object: identifier, Observed: true})
	}
	return []Stage{pods, network, namespace, last}
}

func workers(seen *observed.Tenant) []Object {
	var result []Object
	for _, pool := range seen.Pools {
		result = append(result, child("NodePool", pool, pool.Status.Conditions))
	}
	return result
}

func dns(seen *observed.Tenant) []Object {
	if seen.DNS == nil {
		return nil
	}
	return []Object{child("TenantDNS", seen.DNS, seen.DNS.Status.Conditions)}
}

func networks(seen *observed.Tenant) []Object {
	if seen.Network == nil {
		return nil
	}
	return []Object{child("TenantNetwork", seen.Network, seen.Network.Status.Conditions)}
}

func pki(seen *observed.Tenant) []Object {
	if seen.PKI == nil {
		return nil
	}
	return []Object{child("TenantPKI", seen.PKI, seen.PKI.Status.Conditions)}
}

func child(kind string, object observed.Object, conditions []metav1.Condition) Object {
	result := Object{Kind: kind, Object: object}
	if ready := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady); ready != nil && ready.Status == metav1.ConditionFalse {
		result.Reason = ready.Message
	}
	return result
}

// controlPlane is workloads, then their pods, then what the pods used, volumes
// and NICs: each would come back, or hang, if it went before what is named first.
func controlPlane(seen *observed.Tenant) []Object {
	var workloads, pods, used []Object
	for _, set := range seen.StatefulSets {
		workloads = append(workloads, Object{Kind: "StatefulSet", Object: set})
	}
	for _, deployment := range seen.Deployments {
		workloads = append(workloads, Object{Kind: "Deployment", Object: deployment})
	}
	for _, pod := range seen.Pods {
		pods = append(pods, Object{Kind: "Pod", Object: pod})
	}
	for _, claim := range seen.Claims {
		used = append(used, Object{Kind: "PersistentVolumeClaim", Object: claim})
	}
	for _, port := range seen.APIServerPorts() {
		used = append(used, Object{Kind: "NetworkPort", Object: port})
	}
	switch {
	case len(workloads) > 0:
		return workloads
	case len(pods) > 0:
		return pods
	default:
		return used
	}
}

// namespaceReason says what keeps a namespace, as the namespace controller reports it.
func namespaceReason(namespace *corev1.Namespace) string {
	for _, kind := range []corev1.NamespaceConditionType{corev1.NamespaceFinalizersRemaining, corev1.NamespaceContentRemaining} {
		for _, condition := range namespace.Status.Conditions {
			if condition.Type == kind && condition.Status == corev1.ConditionTrue {
				return condition.Message
			}
		}
	}
	return ""
}
