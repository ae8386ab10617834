package report

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
	"slipway.dev/operators/cluster/observed"
)

// reasonNothingToPublish is what a TenantDNS without targets says: a tenant
// without an address from outside is complete without names.
const reasonNothingToPublish = "NothingToPublish"

// childStatus is what all child objects have in common.
type childStatus struct {
	kind, name string
	// absent, before it was made.
	absent     bool
	generation int64
	conditions []metav1.Condition
}

func pkiChild(seen *observed.Tenant) childStatus {
	if seen.PKI == nil {
		return childStatus{kind: "TenantPKI", absent: true}
	}
	return childStatus{kind: "TenantPKI", name: seen.PKI.Name, generation: seen.PKI.Generation, conditions: seen.PKI.Status.Conditions}
}

func networkChild(seen *observed.Tenant) childStatus {
	if seen.Network == nil {
		return childStatus{kind: "TenantNetwork", absent: true}
	}
	return childStatus{kind: "TenantNetwork", name: seen.Network.Name, generation: seen.Network.Generation, conditions: seen.Network.Status.Conditions}
}

func dns(seen *observed.Tenant) metav1.Condition {
	if seen.DNS == nil {
		return child(v1alpha1.ConditionDNSReady, childStatus{kind: "TenantDNS", absent: true})
	}
	ready := meta.FindStatusCondition(seen.DNS.Status.Conditions, v1alpha1.ConditionReady)
	if ready != nil && ready.Reason == reasonNothingToPublish && ready.ObservedGeneration >= seen.DNS.Generation {
		return conditions.True(v1alpha1.ConditionDNSReady, ready.Reason, ready.Message)
	}
	return child(v1alpha1.ConditionDNSReady, childStatus{
		kind: "TenantDNS", name: seen.DNS.Name, generation: seen.DNS.Generation, conditions: seen.DNS.Status.Conditions,
	})
}

// child passes on the Ready condition of a child object, if it speaks of the
// child's present generation.
func child(conditionType string, status childStatus) metav1.Condition {
	if status.absent {
		return conditions.False(conditionType, ReasonPending, status.kind+" is not there yet")
	}
	name := status.kind + " " + status.name
	ready := meta.FindStatusCondition(status.conditions, v1alpha1.ConditionReady)
	switch {
	case ready == nil:
		return conditions.False(conditionType, ReasonPending, name+": its operator has not reported yet")
	case ready.ObservedGeneration < status.generation:
		return conditions.False(conditionType, ReasonProgressing, name+": is being rolled out")
	case ready.Status == metav1.ConditionFalse:
		return conditions.False(conditionType, ready.Reason, join(name, ready.Message, ready.Reason))
	case ready.Status != metav1.ConditionTrue:
		return conditions.Unknown(conditionType, ready.Reason, join(name, ready.Message, ready.Reason))
	default:
		return conditions.True(conditionType, ReasonReady, "")
	}
}

// join names an object and what is wrong with it: its message, or else the reason.
func join(object, message, reason string) string {
	if message == "" {
		message = reason
	}
	return object + ": " + message
}

func workers(state State) metav1.Condition {
	const conditionType = v1alpha1.ConditionWorkersReady
	if problems := state.Wanted.Problems; len(problems) > 0 {
		return conditions.False(conditionType, "InvalidReference", joinProblems(problems))
	}
	spec := state.Seen.Cluster.Spec.NodePools
	for _, pool := range spec {
		if observed.Named(state.Seen.Pools, pool.Name) == nil {
			return conditions.False(conditionType, ReasonPending, fmt.Sprintf("NodePool %s is not there yet", pool.Name))
		}
	}
	pools := slices.Clone(state.Seen.Pools)
	slices.SortFunc(pools, func(a, b *v1alpha1.NodePool) int { return strings.Compare(a.Name, b.Name) })
	parts := make([]metav1.Condition, 0, len(pools))
	for _, pool := range pools {
		wanted := slices.ContainsFunc(spec, func(p v1alpha1.ClusterNodePool) bool { return p.Name == pool.Name })
		parts = append(parts, nodePool(pool, wanted))
	}
	return conditions.Summary(conditionType, ReasonReady, parts...)
}

// joinProblems names the first of them: together they could be longer than a
// condition's message may be, and then no status could be written.
func joinProblems(problems []string) string {
	const most = 5
	if more := len(problems) - most; more > 0 {
		return fmt.Sprintf("%s; and %d more", strings.Join(problems[:most], "; "), more)
	}
	return strings.Join(problems, "; ")
}

func nodePool(pool *v1alpha1.NodePool, wanted bool) metav1.Condition {
	const conditionType = v1alpha1.ConditionWorkersReady
	if !wanted || pool.DeletionTimestamp != nil {
		return conditions.False(conditionType, ReasonProgressing, fmt.Sprintf("NodePool %s: is being removed", pool.Name))
	}
	return child(conditionType, childStatus{kind: "NodePool", name: pool.Name, generation: pool.Generation, conditions: pool.Status.Conditions})
}

// workerCount adds up the workers of all pools. What the TenantCluster sets
// counts before it has reached the pool.
func workerCount(seen *observed.Tenant) (desired, ready int32) {
	replicas := map[string]int32{}
	for _, pool := range seen.Pools {
		if pool.Spec.Replicas != nil {
			replicas[pool.Name] = *pool.Spec.Replicas
		}
		ready += pool.Status.ReadyReplicas
	}
	for _, pool := range seen.Cluster.Spec.NodePools {
		switch observed, there := replicas[pool.Name]; {
		case pool.Replicas != nil:
			desired += *pool.Replicas
		case there:
			desired += observed
		default:
			desired += v1alpha1.DefaultNodeReplicas
		}
	}
	return desired, ready
}
