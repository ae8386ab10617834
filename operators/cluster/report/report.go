// Package report says in conditions how far a tenant is and what it waits for.
package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
)

// Reasons of conditions that this operator sets itself.
const (
	ReasonReady       = "Ready"
	ReasonPending     = "Pending"
	ReasonProgressing = "Progressing"
	ReasonWaiting     = "Waiting"
)

// State is everything that a report is made from.
type State struct {
	Cluster  *v1alpha1.TenantCluster
	Network  *v1alpha1.TenantNetwork
	PKI      *v1alpha1.TenantPKI
	DNS      *v1alpha1.TenantDNS
	Pools    []v1alpha1.NodePool
	Workload Workloads
	Addons   Addons
	// Problems with what the user has given, beside the spec.
	Problems []string
	// Waiting is what stops the control plane from being written; empty when nothing does.
	Waiting string
	// Endpoint is the API's URL from outside; empty until it has one.
	Endpoint string
	// Kubeconfig names the user's Secret; empty until it is written.
	Kubeconfig string
}

// Workloads are those of the hosted control plane.
type Workloads struct {
	StatefulSets []appsv1.StatefulSet
	Deployments  []appsv1.Deployment
	Pods         []corev1.Pod
	Claims       []corev1.PersistentVolumeClaim
}

// Addons is the state of what runs inside the tenant.
type Addons struct {
	// Applied: every object was written.
	Applied bool
	// Message says why not.
	Message string
	// DNSAvailable: cluster DNS has an available replica.
	DNSAvailable bool
}

// Conditions of a TenantCluster: its parts, and Ready at the end.
func Conditions(state State) []metav1.Condition {
	parts := []metav1.Condition{
		child(v1alpha1.ConditionPKIReady, "TenantPKI", pkiChild(state.PKI)),
		child(v1alpha1.ConditionNetworkReady, "TenantNetwork", networkChild(state.Network)),
		ControlPlane(state),
		addons(state),
		workers(state),
		child(v1alpha1.ConditionDNSReady, "TenantDNS", dnsChild(state.DNS)),
	}
	return append(parts, conditions.Summary(v1alpha1.ConditionReady, ReasonReady, parts...))
}

// childStatus is what all child objects have in common.
type childStatus struct {
	name       string
	generation int64
	conditions []metav1.Condition
}

func pkiChild(o *v1alpha1.TenantPKI) *childStatus {
	if o == nil {
		return nil
	}
	return &childStatus{o.Name, o.Generation, o.Status.Conditions}
}

func networkChild(o *v1alpha1.TenantNetwork) *childStatus {
	if o == nil {
		return nil
	}
	return &childStatus{o.Name, o.Generation, o.Status.Conditions}
}

func dnsChild(o *v1alpha1.TenantDNS) *childStatus {
	if o == nil {
		return nil
	}
	return &childStatus{o.Name, o.Generation, o.Status.Conditions}
}

// child passes on the Ready condition of a child object.
func child(conditionType, kind string, status *childStatus) metav1.Condition {
	if status == nil {
		return conditions.False(conditionType, ReasonPending, kind+" is not there yet")
	}
	ready := meta.FindStatusCondition(status.conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.ObservedGeneration < status.generation {
		return conditions.False(conditionType, ReasonPending, fmt.Sprintf("%s %s: its operator has not reported yet", kind, status.name))
	}
	if ready.Status != metav1.ConditionTrue {
		return conditions.False(conditionType, ready.Reason, join(kind+" "+status.name, ready.Message, ready.Reason))
	}
	return conditions.True(conditionType, ReasonReady, "")
}

// join names an object and what is wrong with it: its message, or else the reason.
func join(object, message, reason string) string {
	if message == "" {
		message = reason
	}
	return object + ": " + message
}

func addons(state State) metav1.Condition {
	desired, _ := count(state.Pools)
	switch {
	case !state.Addons.Applied:
		return conditions.False(v1alpha1.ConditionAddonsReady, ReasonPending, state.Addons.Message)
	case desired > 0 && !state.Addons.DNSAvailable:
		return conditions.False(v1alpha1.ConditionAddonsReady, ReasonProgressing, "Deployment kube-system/coredns of the tenant: no replica is available yet")
	default:
		return conditions.True(v1alpha1.ConditionAddonsReady, ReasonReady, "")
	}
}

func workers(state State) metav1.Condition {
	if len(state.Problems) > 0 {
		return conditions.False(v1alpha1.ConditionWorkersReady, "InvalidReference", strings.Join(state.Problems, "; "))
	}
	if len(state.Pools) < len(state.Cluster.Spec.NodePools) {
		return conditions.False(v1alpha1.ConditionWorkersReady, ReasonPending, "a NodePool is not there yet")
	}
	pools := slices.Clone(state.Pools)
	slices.SortFunc(pools, func(a, b v1alpha1.NodePool) int { return strings.Compare(a.Name, b.Name) })
	for _, pool := range pools {
		condition := child(v1alpha1.ConditionWorkersReady, "NodePool", &childStatus{pool.Name, pool.Generation, pool.Status.Conditions})
		if condition.Status != metav1.ConditionTrue {
			return condition
		}
	}
	return conditions.True(v1alpha1.ConditionWorkersReady, ReasonReady, "")
}

// count adds up the workers of all pools.
func count(pools []v1alpha1.NodePool) (desired, ready int32) {
	for _, pool := range pools {
		if pool.Spec.Replicas != nil {
			desired += *pool.Spec.Replicas
		}
		ready += pool.Status.ReadyReplicas
	}
	return desired, ready
}

// Timeline keeps the steps that were completed before, and adds those whose
// condition is True for the first time.
func Timeline(observed []v1alpha1.TimelineStep, created time.Time, wanted []metav1.Condition, now time.Time) []v1alpha1.TimelineStep {
	steps := slices.Clone(observed)
	for _, condition := range wanted {
		if condition.Status != metav1.ConditionTrue {
			continue
		}
		if slices.ContainsFunc(steps, func(s v1alpha1.TimelineStep) bool { return s.Step == condition.Type }) {
			continue
		}
		steps = append(steps, v1alpha1.TimelineStep{
			Step: condition.Type, CompletedAt: metav1.NewTime(now), Seconds: int64(now.Sub(created).Seconds()),
		})
	}
	return steps
}

// Status is the whole status as this operator writes it.
func Status(state State, now time.Time) *slipwayac.TenantClusterStatusApplyConfiguration {
	cluster := state.Cluster
	wanted := Conditions(state)
	desired, ready := count(state.Pools)
	status := slipwayac.TenantClusterStatus().
		WithObservedGeneration(cluster.Generation).
		WithHostedNamespace(v1alpha1.HostedNamespace(cluster.Namespace, cluster.Name)).
		WithWorkers(slipwayac.WorkerCount().WithDesired(desired).WithReady(ready).
			WithSummary(fmt.Sprintf("%d/%d", ready, desired))).
		WithConditions(conditions.Apply(cluster.Status.Conditions, cluster.Generation, wanted...)...)
	if state.Endpoint != "" {
		status.WithEndpoint(state.Endpoint)
	}
	if state.Kubeconfig != "" {
		status.WithKubeconfigSecretName(state.Kubeconfig)
	}
	if version := runningVersion(state); version != "" {
		status.WithVersion(version)
	}
	for _, step := range Timeline(cluster.Status.Timeline, cluster.CreationTimestamp.Time, wanted, now) {
		status.WithTimeline(slipwayac.TimelineStep().WithStep(step.Step).WithCompletedAt(step.CompletedAt).WithSeconds(step.Seconds))
	}
	return status
}
