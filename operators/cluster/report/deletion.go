package report

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
	"slipway.dev/operators/cluster/deletion"
	"slipway.dev/operators/cluster/observed"
)

// ReasonDeleting is that of Ready while a TenantCluster goes.
const ReasonDeleting = "Deleting"

// History of a deletion, as the status has it: a stage begins when the one
// before it is complete.
func History(cluster *v1alpha1.TenantCluster) deletion.History {
	history := deletion.History{Begun: cluster.DeletionTimestamp.Time, Complete: map[string]time.Time{}}
	if operation := cluster.Status.Operation; operation == nil || operation.Type != v1alpha1.OperationDelete {
		return history
	}
	for _, step := range cluster.Status.Timeline {
		history.Complete[step.Step] = step.CompletedAt.Time
	}
	return history
}

// Deletion is the status of a TenantCluster that goes.
func Deletion(cluster *v1alpha1.TenantCluster, decision deletion.Decision, now time.Time) Report {
	ready := conditions.False(v1alpha1.ConditionReady, ReasonDeleting, decision.Stage+": "+decision.Message())
	operation := &v1alpha1.Operation{
		Type: v1alpha1.OperationDelete, StartTime: *cluster.DeletionTimestamp, BlockedBy: decision.Stage, Message: decision.Message(),
	}
	status := slipwayac.TenantClusterStatus().
		WithObservedGeneration(cluster.Generation).
		WithHostedNamespace(observed.IdentityOf(cluster).HostedNamespace()).
		WithConditions(apply(cluster, now, ready)...)
	withProgress(status, operation, deletionSteps(cluster, decision, now))
	for _, object := range decision.Residue {
		status.WithResidue(object.String())
	}
	return Report{Status: status, Operation: operation, Conditions: []metav1.Condition{ready}}
}

// deletionSteps are the stages of which nothing is left.
func deletionSteps(cluster *v1alpha1.TenantCluster, decision deletion.Decision, now time.Time) []v1alpha1.TimelineStep {
	known := History(cluster)
	steps := make([]v1alpha1.TimelineStep, 0, len(decision.Complete))
	for _, stage := range decision.Complete {
		at, recorded := known.Complete[stage]
		if !recorded {
			at = now.Truncate(time.Second)
		}
		steps = append(steps, v1alpha1.TimelineStep{
			Step: stage, CompletedAt: metav1.NewTime(at), Seconds: int64(at.Sub(known.Begun).Seconds()),
		})
	}
	return steps
}
