// Package deletion decides what to delete next when a TenantCluster goes. It
// looks only at what there is: never at desired state, nor at the tenant's API.
package deletion

import (
	"fmt"
	"time"

	"slipway.dev/operators/cluster/observed"
)

// Object is something that has to go.
type Object struct {
	Kind string
	observed.Object
	// Reason says why it is still there, where its status says so.
	Reason string
	// Observed objects are removed by somebody else: this operator only waits for them.
	Observed bool
}

// String names the object for people.
func (o Object) String() string {
	if o.Reason == "" {
		return o.Kind + " " + o.GetName()
	}
	return o.Kind + " " + o.GetName() + ": " + o.Reason
}

// Stage is a set of objects that may go at the same time, after those of the
// stages before it.
type Stage struct {
	Name string
	// Bound is how long an object may take, from the beginning of the stage or its
	// own later deletion on, before the next stage begins without it.
	Bound   time.Duration
	Objects []Object
}

// Decision is what to do now.
type Decision struct {
	// Done: nothing is left.
	Done bool
	// Stage that the deletion is in.
	Stage string
	// Complete are the stages before it of which nothing is left.
	Complete []string
	// Delete these.
	Delete []Object
	// Waiting for these to go.
	Waiting []Object
	// Residue was not removed within its bound; deletion went on without it.
	Residue []Object
	// Wait is how long until a bound passes; 0 when none will.
	Wait time.Duration
}

// Message says what the deletion waits for.
func (d Decision) Message() string {
	blocking := d.Waiting
	if len(blocking) == 0 {
		blocking = d.Residue
	}
	if len(blocking) == 0 {
		return ""
	}
	if len(blocking) == 1 {
		return "waiting for " + blocking[0].String()
	}
	return fmt.Sprintf("waiting for %s and %d more", blocking[0], len(blocking)-1)
}

// History is what happened before.
type History struct {
	// Begun is when the deletion began.
	Begun time.Time
	// Complete is when nothing was left of a stage, by its name.
	Complete map[string]time.Time
}

// Decide walks through the stages in order and stops at the first that has
// objects within their bounds.
func Decide(stages []Stage, history History, now time.Time) Decision {
	decision := Decision{Done: true}
	begun := history.Begun
	for _, stage := range stages {
		if len(stage.Objects) == 0 {
			begun = history.end(stage, now)
			decision.Complete = append(decision.Complete, stage.Name)
			continue
		}
		decision.Done = false
		if decision.Stage == "" {
			decision.Stage = stage.Name
		}
		end, blocked := decision.add(stage, begun, now)
		if blocked {
			decision.Stage = stage.Name
			return decision
		}
		begun = end
	}
	return decision
}

// end of a stage of which nothing is left. The next begins then, also when it was
// tried before because this one took too long.
func (h History) end(stage Stage, now time.Time) time.Time {
	if complete, known := h.Complete[stage.Name]; known {
		return complete
	}
	return now
}

// add sorts the objects of a stage into the decision. end is when the next stage
// may begin, if none of them blocks it.
func (d *Decision) add(stage Stage, begun, now time.Time) (end time.Time, blocked bool) {
	end = begun
	for _, object := range stage.Objects {
		since := begun
		switch deleted := object.GetDeletionTimestamp(); {
		case deleted != nil:
			since = later(begun, deleted.Time)
		case !object.Observed:
			d.Delete = append(d.Delete, object)
			since = now
		}
		// A deletion time can lie ahead: by the grace period of a pod, or the API server's clock.
		left := stage.Bound - max(0, now.Sub(since))
		if left <= 0 {
			d.Residue = append(d.Residue, object)
			end = later(end, since.Add(stage.Bound))
			continue
		}
		blocked = true
		d.Waiting = append(d.Waiting, object)
		if d.Wait == 0 || left < d.Wait {
			d.Wait = left
		}
	}
	return end, blocked
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
