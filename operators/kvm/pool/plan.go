// Package pool decides which Machines a NodePool creates and deletes.
package pool

import (
	"cmp"
	"slices"
	"time"
)

// Machine is what a plan has to know of one Machine of the pool.
type Machine struct {
	Name     string
	Created  time.Time
	Ready    bool
	Deleting bool
	// Outdated reports whether another Machine must take this one's place: its
	// template differs, or its management node is being emptied.
	Outdated bool
}

// Plan is what is to be done now. What becomes possible when a Machine turns
// ready or disappears is for the next plan.
type Plan struct {
	Create int
	Delete []string
}

// maxSurge is how many Machines a pool may have beyond its size while Machines
// are replaced. None of the pool's size is ever unavailable on purpose. Those that
// are being deleted count until they are gone, as they do in Cluster API: their
// guests still run, and a tenant that lets nobody drain them would else have any
// number of guests.
const maxSurge = 1

// Make plans a pool of the given size.
//
// Too many Machines: those that are not ready go first, then the newest, as
// they carry the fewest pods. Outdated Machines are replaced one at a time:
// another is created first, and a ready one goes only when as many ready ones
// as the pool's size remain.
func Make(size int, machines []Machine) Plan {
	var current, outdated []Machine
	ready, leaving := 0, 0
	for _, m := range machines {
		switch {
		case m.Deleting:
			leaving++
			continue
		case m.Outdated:
			outdated = append(outdated, m)
		default:
			current = append(current, m)
		}
		if m.Ready {
			ready++
		}
	}
	slices.SortFunc(current, expendableFirst)
	slices.SortFunc(outdated, expendableFirst)
	total := len(current) + len(outdated)

	plan := Plan{Create: max(0, min(size-len(current), size+maxSurge-total-leaving))}
	for _, m := range outdated {
		if total <= size {
			break
		}
		if m.Ready && ready <= size {
			break // sorted: those that follow are ready too
		}
		if m.Ready {
			ready--
		}
		total--
		plan.Delete = append(plan.Delete, m.Name)
	}
	for _, m := range current[:max(0, len(current)-size)] {
		plan.Delete = append(plan.Delete, m.Name)
	}
	return plan
}

// Empty reports whether the plan does nothing.
func (p Plan) Empty() bool {
	return p.Create == 0 && len(p.Delete) == 0
}

func expendableFirst(a, b Machine) int {
	if a.Ready != b.Ready {
		if b.Ready {
			return -1
		}
		return 1
	}
	return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.Name, b.Name))
}
