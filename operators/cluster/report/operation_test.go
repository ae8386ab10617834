package report_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
	"slipway.dev/operators/cluster/report"
)

func TestProgress(t *testing.T) {
	created := time.Unix(1000, 0).UTC()
	now := created.Add(time.Hour)
	at := func(step string, start time.Time, seconds int64) v1alpha1.TimelineStep {
		return v1alpha1.TimelineStep{Step: step, CompletedAt: metav1.NewTime(start.Add(time.Duration(seconds) * time.Second)), Seconds: seconds}
	}
	first := []v1alpha1.TimelineStep{at("A", created, 2), at("Ready", created, 9)}
	ready := conditions.True("Ready", "Ready", "")
	blocked := conditions.False("Ready", "Broken", "Pod x: broken")
	parts := []metav1.Condition{conditions.False("A", "Other", "other"), conditions.False("B", "Broken", "Pod x: broken")}
	operation := func(kind v1alpha1.OperationType, start time.Time) *v1alpha1.Operation {
		return &v1alpha1.Operation{Type: kind, StartTime: metav1.NewTime(start), BlockedBy: "B", Message: "Pod x: broken"}
	}
	status := func(generation int64, workers int32, operation *v1alpha1.Operation, timeline ...v1alpha1.TimelineStep) v1alpha1.TenantClusterStatus {
		return v1alpha1.TenantClusterStatus{
			ObservedGeneration: generation, Workers: &v1alpha1.WorkerCount{Desired: workers}, Operation: operation, Timeline: timeline,
		}
	}
	transitions := map[string]time.Time{"A": created.Add(2 * time.Second), "B": created.Add(4 * time.Second)}
	for name, test := range map[string]struct {
		before      v1alpha1.TenantClusterStatus
		ready       metav1.Condition
		updated     bool
		transitions map[string]time.Time
		operation   *v1alpha1.Operation
		timeline    []v1alpha1.TimelineStep
	}{
		"created": {
			ready: blocked, operation: operation(v1alpha1.OperationCreate, created), transitions: transitions,
			timeline: []v1alpha1.TimelineStep{at("A", created, 2), at("B", created, 4)},
		},
		"a step that was complete keeps its time": {
			before: status(1, 2, operation(v1alpha1.OperationCreate, created), at("A", created, 1)), ready: blocked, updated: true, transitions: transitions,
			operation: operation(v1alpha1.OperationCreate, created), timeline: []v1alpha1.TimelineStep{at("A", created, 1), at("B", created, 4)},
		},
		"creation ends": {
			before: status(1, 2, operation(v1alpha1.OperationCreate, created)), ready: ready,
			transitions: map[string]time.Time{"Ready": created.Add(9 * time.Second), "A": created.Add(9 * time.Second)},
			timeline:    []v1alpha1.TimelineStep{at("A", created, 9), at("Ready", created, 9)},
		},
		"nothing goes on": {before: status(2, 2, nil, first...), ready: ready, transitions: transitions, timeline: first},
		"a fault":         {before: status(2, 2, nil, first...), ready: blocked, transitions: transitions, timeline: first},
		"scaled":          {before: status(1, 1, nil, first...), ready: blocked, transitions: transitions, operation: operation(v1alpha1.OperationScale, now)},
		"scaled by the pool alone": {
			before: status(2, 1, nil, first...), ready: blocked, operation: operation(v1alpha1.OperationScale, now),
		},
		"updated":            {before: status(1, 2, nil, first...), ready: blocked, operation: operation(v1alpha1.OperationUpdate, now)},
		"scaled and updated": {before: status(1, 1, nil, first...), ready: blocked, updated: true, operation: operation(v1alpha1.OperationUpdate, now)},
		"updated while scaling": {
			before: status(2, 2, operation(v1alpha1.OperationScale, created)), ready: blocked, updated: true, operation: operation(v1alpha1.OperationUpdate, created),
		},
		"changed to no effect": {before: status(1, 2, nil, first...), ready: ready, timeline: first},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := &v1alpha1.TenantCluster{
				ObjectMeta: metav1.ObjectMeta{Generation: 2, CreationTimestamp: metav1.NewTime(created)}, Status: test.before,
			}
			operation, timeline := report.Progress(report.Change{
				Cluster: cluster, Workers: 2, Updated: test.updated, Ready: test.ready, Parts: parts, Transitions: test.transitions,
			}, now)
			if diff := cmp.Diff(test.operation, operation); diff != "" {
				t.Errorf("operation (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.timeline, timeline); diff != "" {
				t.Errorf("timeline (-want +got):\n%s", diff)
			}
		})
	}
}
