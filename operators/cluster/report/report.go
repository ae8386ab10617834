// Package report says in conditions how far a tenant is and what it waits for,
// and which operation goes on.
package report

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/desired"
	"slipway.dev/operators/cluster/observed"
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
	// Seen has the generations that its objects have after they were written: what
	// their status says of an older one does not count.
	Seen   *observed.Tenant
	Wanted *desired.State
	// Refused objects are those that the API did not take.
	Refused []Refusal
	// Updated: something else than numbers of workers was changed just now.
	Updated bool
}

// Conditions of a TenantCluster that its own controller writes: its parts, and
// Ready at the end, which counts AddonsReady too.
func Conditions(state State) []metav1.Condition {
	seen := state.Seen
	pki := state.unlessRefused(child(v1alpha1.ConditionPKIReady, pkiChild(seen)))
	network := state.unlessRefused(child(v1alpha1.ConditionNetworkReady, networkChild(seen)))
	controlPlane := state.unlessRefused(ControlPlane(state))
	workers := state.unlessRefused(workers(state))
	dns := state.unlessRefused(dns(seen))
	ready := conditions.Summary(v1alpha1.ConditionReady, ReasonReady,
		refusedFirst(pki, network, controlPlane, observedAddons(seen.Cluster), workers, dns)...)
	return []metav1.Condition{pki, network, controlPlane, workers, dns, ready}
}

// observedAddons is what the controller of the add-ons has reported of them. True
// counts only for the spec as it is now.
func observedAddons(cluster *v1alpha1.TenantCluster) metav1.Condition {
	observed := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionAddonsReady)
	switch {
	case observed == nil:
		return conditions.False(v1alpha1.ConditionAddonsReady, ReasonPending, "the add-ons have not been looked at yet")
	case observed.Status == metav1.ConditionTrue && observed.ObservedGeneration < cluster.Generation:
		return conditions.False(v1alpha1.ConditionAddonsReady, ReasonProgressing, "the add-ons are being rolled out")
	default:
		return *observed
	}
}

// Report is a status, and what events are made from.
type Report struct {
	Status    *slipwayac.TenantClusterStatusApplyConfiguration
	Operation *v1alpha1.Operation
	// Conditions as they are written.
	Conditions []metav1.Condition
}

// Status is the whole status as the TenantCluster's controller writes it.
func Status(state State, now time.Time) Report {
	cluster, seen := state.Seen.Cluster, state.Seen
	wanted := Conditions(state)
	applied := apply(cluster, now, wanted...)
	desired, ready := workerCount(seen)
	operation, timeline := Progress(Change{
		Cluster: cluster, Workers: desired, Updated: state.Updated, Ready: wanted[len(wanted)-1],
		Parts: blocking(wanted, observedAddons(cluster)), Transitions: transitions(cluster, applied),
	}, now)
	status := slipwayac.TenantClusterStatus().
		WithObservedGeneration(cluster.Generation).
		WithHostedNamespace(seen.HostedNamespace()).
		WithWorkers(slipwayac.WorkerCount().WithDesired(desired).WithReady(ready).
			WithSummary(fmt.Sprintf("%d/%d", ready, desired))).
		WithConditions(applied...)
	if state.Wanted.Endpoint != "" {
		status.WithEndpoint(state.Wanted.Endpoint)
	}
	if state.Wanted.Kubeconfig != "" {
		status.WithKubeconfigSecretName(state.Wanted.Kubeconfig)
	}
	if version := runningVersion(state); version != "" {
		status.WithVersion(version)
	}
	withProgress(status, operation, timeline)
	return Report{Status: status, Operation: operation, Conditions: wanted}
}

// apply says when conditions changed by the operator's clock.
func apply(cluster *v1alpha1.TenantCluster, now time.Time, wanted ...metav1.Condition) []*metav1ac.ConditionApplyConfiguration {
	stamped := make([]metav1.Condition, len(wanted))
	for n, condition := range wanted {
		condition.LastTransitionTime = metav1.NewTime(now)
		stamped[n] = condition
	}
	return conditions.Apply(cluster.Status.Conditions, cluster.Generation, stamped...)
}

// transitions are the conditions that are True, by the time since when.
func transitions(cluster *v1alpha1.TenantCluster, applied []*metav1ac.ConditionApplyConfiguration) map[string]time.Time {
	since := map[string]time.Time{}
	for _, condition := range applied {
		if *condition.Status == metav1.ConditionTrue {
			since[*condition.Type] = condition.LastTransitionTime.Time
		}
	}
	if addons := observedAddons(cluster); addons.Status == metav1.ConditionTrue {
		since[addons.Type] = addons.LastTransitionTime.Time
	}
	return since
}

func withProgress(status *slipwayac.TenantClusterStatusApplyConfiguration, operation *v1alpha1.Operation, timeline []v1alpha1.TimelineStep) {
	if operation != nil {
		object := slipwayac.Operation().WithType(operation.Type).WithStartTime(operation.StartTime)
		if operation.BlockedBy != "" {
			object.WithBlockedBy(operation.BlockedBy).WithMessage(operation.Message)
		}
		status.WithOperation(object)
	}
	for _, step := range timeline {
		status.WithTimeline(slipwayac.TimelineStep().WithStep(step.Step).WithCompletedAt(step.CompletedAt).WithSeconds(step.Seconds))
	}
}

// runningVersion is the spec's version once all API servers run it, and until
// then the version reported before. Where they could not be changed, all may be
// there of the version before.
func runningVersion(state State) string {
	set := observed.Named(state.Seen.StatefulSets, controlplane.APIServer)
	written := state.Wanted.Waiting[controlplane.APIServer] == "" && !state.refused(set)
	if !written || !rollout(state.Seen, controlplane.APIServer).complete() {
		return state.Seen.Cluster.Status.Version
	}
	return string(state.Seen.Cluster.Spec.Version)
}
