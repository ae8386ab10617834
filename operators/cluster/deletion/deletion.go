// Package deletion decides what to delete next when a TenantCluster goes. It
// looks only at what is there: never at desired state, nor at the tenant's API.
package deletion

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Object is something that has to go.
type Object struct {
	Kind string
	metav1.Object
	// Reason says why it is still there, where its status tells.
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
	// Bound is how long an object may take from its deletion on before the next
	// stage begins without it.
	Bound   time.Duration
	Objects []Object
}

// Decision is what to do now.
type Decision struct {
	// Done: nothing is left.
	Done bool
	// Stage that the deletion is in.
	Stage string
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

// Plan walks through the stages in order and stops at the first that has
// objects within their bounds. since is the time from which an object that
// carries no deletion time of its own is counted.
func Plan(stages []Stage, since, now time.Time) Decision {
	decision := Decision{Done: true}
	for _, stage := range stages {
		blocked := false
		for _, object := range stage.Objects {
			decision.Done = false
			start := since
			switch deleted := object.GetDeletionTimestamp(); {
			case deleted != nil:
				start = deleted.Time
			case !object.Observed:
				decision.Delete = append(decision.Delete, object)
				start = now
			}
			// A deletion time can lie ahead: by the grace period of a pod, or the API server's clock.
			left := stage.Bound - max(0, now.Sub(start))
			if left <= 0 {
				decision.Residue = append(decision.Residue, object)
				continue
			}
			blocked = true
			decision.Waiting = append(decision.Waiting, object)
			if decision.Wait == 0 || left < decision.Wait {
				decision.Wait = left
			}
		}
		if decision.Stage == "" && len(stage.Objects) > 0 {
			decision.Stage = stage.Name
		}
		if blocked {
			decision.Stage = stage.Name
			return decision
		}
	}
	return decision
}
