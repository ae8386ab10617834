package deletion_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/operators/cluster/deletion"
)

var since = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// object that was deleted so long after the deletion of its cluster; never with a negative age.
func object(name string, deletedAfter time.Duration) deletion.Object {
	meta := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if deletedAfter >= 0 {
		meta.DeletionTimestamp = &metav1.Time{Time: since.Add(deletedAfter)}
	}
	return deletion.Object{Kind: "Thing", Object: meta}
}

func observed(name string) deletion.Object {
	o := object(name, -1)
	o.Observed = true
	return o
}

func TestPlan(t *testing.T) {
	type result struct {
		Done                     bool
		Stage                    string
		Delete, Waiting, Residue []string
		Complete                 []string
		Wait                     time.Duration
		Message                  string
	}
	stages := func(first, second []deletion.Object) []deletion.Stage {
		return []deletion.Stage{
			{Name: "first", Bound: time.Minute, Objects: first},
			{Name: "second", Bound: 30 * time.Second, Objects: second},
		}
	}
	for name, test := range map[string]struct {
		stages   []deletion.Stage
		complete map[string]time.Duration
		after    time.Duration
		want     result
	}{
		"nothing is left": {
			stages: stages(nil, nil),
			want:   result{Done: true, Complete: []string{"first", "second"}},
		},
		"the first stage is deleted, the second waits": {
			stages: stages([]deletion.Object{object("a", -1), object("b", -1)}, []deletion.Object{object("c", -1)}),
			want: result{
				Stage: "first", Delete: []string{"a", "b"}, Waiting: []string{"a", "b"}, Wait: time.Minute,
				Message: "waiting for Thing a and 1 more",
			},
		},
		"what is being deleted is not deleted again": {
			stages: stages([]deletion.Object{object("a", 10*time.Second)}, []deletion.Object{object("c", -1)}),
			after:  30 * time.Second,
			want:   result{Stage: "first", Waiting: []string{"a"}, Wait: 40 * time.Second, Message: "waiting for Thing a"},
		},
		"a deletion time that lies ahead lengthens nothing": {
			stages: stages([]deletion.Object{object("a", 20*time.Second)}, nil),
			after:  10 * time.Second,
			want:   result{Stage: "first", Waiting: []string{"a"}, Wait: time.Minute, Message: "waiting for Thing a"},
		},
		"an empty stage is passed": {
			stages: stages(nil, []deletion.Object{object("c", -1)}),
			want: result{
				Stage: "second", Complete: []string{"first"}, Delete: []string{"c"}, Waiting: []string{"c"}, Wait: 30 * time.Second,
				Message: "waiting for Thing c",
			},
		},
		"beyond its bound it is residue, and the next stage begins": {
			stages: stages([]deletion.Object{object("a", 0)}, []deletion.Object{object("c", -1)}),
			after:  time.Minute,
			want: result{
				Stage: "second", Delete: []string{"c"}, Waiting: []string{"c"}, Residue: []string{"a"}, Wait: 30 * time.Second,
				Message: "waiting for Thing c",
			},
		},
		"residue alone keeps the cluster": {
			stages: stages([]deletion.Object{object("a", 0)}, nil),
			after:  time.Hour,
			want:   result{Stage: "first", Complete: []string{"second"}, Residue: []string{"a"}, Message: "waiting for Thing a"},
		},
		"what others remove is waited for, counted from the beginning of its stage": {
			stages:   stages(nil, []deletion.Object{observed("c")}),
			complete: map[string]time.Duration{"first": 40 * time.Second},
			after:    time.Minute,
			want: result{
				Stage: "second", Complete: []string{"first"}, Waiting: []string{"c"}, Wait: 10 * time.Second, Message: "waiting for Thing c",
			},
		},
		"what others remove is waited for in full when its stage begins": {
			stages: stages(nil, []deletion.Object{observed("c")}),
			after:  time.Hour,
			want: result{
				Stage: "second", Complete: []string{"first"}, Waiting: []string{"c"}, Wait: 30 * time.Second, Message: "waiting for Thing c",
			},
		},
		"a stage that was complete too late lets the next begin then": {
			stages:   stages(nil, []deletion.Object{observed("c")}),
			complete: map[string]time.Duration{"first": time.Hour},
			after:    time.Hour + 10*time.Second,
			want: result{
				Stage: "second", Complete: []string{"first"}, Waiting: []string{"c"}, Wait: 20 * time.Second, Message: "waiting for Thing c",
			},
		},
		"after residue, others get the time of their own stage": {
			stages: stages([]deletion.Object{object("a", 0)}, []deletion.Object{observed("c")}),
			after:  70 * time.Second,
			want: result{
				Stage: "second", Waiting: []string{"c"}, Residue: []string{"a"}, Wait: 20 * time.Second, Message: "waiting for Thing c",
			},
		},
		"what was deleted before its stage began has the time of its stage": {
			stages:   stages(nil, []deletion.Object{object("c", 0)}),
			complete: map[string]time.Duration{"first": 50 * time.Second},
			after:    time.Minute,
			want: result{
				Stage: "second", Complete: []string{"first"}, Waiting: []string{"c"}, Wait: 20 * time.Second, Message: "waiting for Thing c",
			},
		},
		"an operator that was away does not cut the time of what it deletes now": {
			stages: stages([]deletion.Object{object("a", -1)}, nil),
			after:  time.Hour,
			want:   result{Stage: "first", Delete: []string{"a"}, Waiting: []string{"a"}, Wait: time.Minute, Message: "waiting for Thing a"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			history := deletion.History{Begun: since, Complete: map[string]time.Time{}}
			for stage, after := range test.complete {
				history.Complete[stage] = since.Add(after)
			}
			decision := deletion.Decide(test.stages, history, since.Add(test.after))
			got := result{
				Done: decision.Done, Stage: decision.Stage, Wait: decision.Wait, Message: decision.Message(),
				Complete: decision.Complete,
				Delete:   names(decision.Delete), Waiting: names(decision.Waiting), Residue: names(decision.Residue),
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
		})
	}
}

func names(objects []deletion.Object) []string {
	var result []string
	for _, o := range objects {
		result = append(result, o.GetName())
	}
	return result
}
