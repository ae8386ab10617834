package report

import (
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
)

// Change is what an operation is told from.
type Change struct {
	// Cluster with the status that was reported last.
	Cluster *v1alpha1.TenantCluster
	// Workers is the desired number of them.
	Workers int32
	// Updated: something other than numbers of workers was changed just now.
	Updated bool
	Ready   metav1.Condition
	// Parts of Ready that are not True, in their order.
	Parts []metav1.Condition
	// Transitions are the conditions that are True, by the time since when.
	Transitions map[string]time.Time
}

// Progress says which operation is being carried out, nil when there is none, and
// the steps of it or of the last one. An operation begins when somebody has changed
// the desired state, and ends when all of that is reached. A fault is no operation.
func Progress(change Change, now time.Time) (*v1alpha1.Operation, []v1alpha1.TimelineStep) {
	status := change.Cluster.Status
	operation, begins := current(change, now)
	if operation == nil {
		return nil, status.Timeline
	}
	steps := status.Timeline
	if begins {
		steps = nil
	}
	steps = completed(steps, operation.StartTime.Time, change.Transitions)
	if change.Ready.Status == metav1.ConditionTrue {
		return nil, steps
	}
	operation.BlockedBy, operation.Message = change.Ready.Type, change.Ready.Message
	for _, part := range change.Parts {
		if part.Reason == change.Ready.Reason && part.Message == change.Ready.Message {
			operation.BlockedBy = part.Type
			break
		}
	}
	return operation, steps
}

// current is the operation that goes on or begins, without what blocks it.
func current(change Change, now time.Time) (operation *v1alpha1.Operation, begins bool) {
	cluster := change.Cluster
	before := cluster.Status.Operation
	switch {
	case before != nil && before.Type == v1alpha1.OperationScale && change.Updated:
		return &v1alpha1.Operation{Type: v1alpha1.OperationUpdate, StartTime: before.StartTime}, false
	case before != nil:
		return &v1alpha1.Operation{Type: before.Type, StartTime: before.StartTime}, false
	case !everReady(cluster.Status.Timeline):
		return &v1alpha1.Operation{Type: v1alpha1.OperationCreate, StartTime: cluster.CreationTimestamp}, true
	case change.Ready.Status == metav1.ConditionTrue:
		return nil, false
	case change.Updated:
		return &v1alpha1.Operation{Type: v1alpha1.OperationUpdate, StartTime: metav1.NewTime(now)}, true
	case cluster.Status.Workers != nil && cluster.Status.Workers.Desired != change.Workers:
		return &v1alpha1.Operation{Type: v1alpha1.OperationScale, StartTime: metav1.NewTime(now)}, true
	case cluster.Status.ObservedGeneration < cluster.Generation:
		return &v1alpha1.Operation{Type: v1alpha1.OperationUpdate, StartTime: metav1.NewTime(now)}, true
	default:
		return nil, false
	}
}

// everReady: each operation but the first begins after one that has ended.
func everReady(timeline []v1alpha1.TimelineStep) bool {
	return slices.ContainsFunc(timeline, func(step v1alpha1.TimelineStep) bool { return step.Step == v1alpha1.ConditionReady })
}

// completed keeps the steps that were complete before, and adds the conditions
// that have become True since the operation began. Times are in whole seconds,
// as the API keeps them.
func completed(before []v1alpha1.TimelineStep, start time.Time, transitions map[string]time.Time) []v1alpha1.TimelineStep {
	steps := slices.Clone(before)
	start = start.Truncate(time.Second)
	for _, condition := range slices.Sorted(maps.Keys(transitions)) {
		since := transitions[condition].Truncate(time.Second)
		known := slices.ContainsFunc(steps, func(s v1alpha1.TimelineStep) bool { return s.Step == condition })
		if known || since.Before(start) {
			continue
		}
		steps = append(steps, v1alpha1.TimelineStep{
			Step: condition, CompletedAt: metav1.NewTime(since), Seconds: int64(since.Sub(start).Seconds()),
		})
	}
	slices.SortStableFunc(steps, func(a, b v1alpha1.TimelineStep) int {
		if order := a.CompletedAt.Compare(b.CompletedAt.Time); order != 0 {
			return order
		}
		return strings.Compare(last(a), last(b))
	})
	return steps
}

// last sorts Ready behind the conditions that it summarises.
func last(step v1alpha1.TimelineStep) string {
	if step.Step == v1alpha1.ConditionReady {
		return "~"
	}
	return step.Step
}

// blocking are the parts that are not True, in the order of the summary.
func blocking(wanted []metav1.Condition, addons metav1.Condition) []metav1.Condition {
	return slices.DeleteFunc(append(slices.Clone(wanted[:len(wanted)-1]), addons), func(c metav1.Condition) bool {
		return c.Status == metav1.ConditionTrue
	})
}
