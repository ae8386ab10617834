package pool_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"slipway.dev/operators/kvm/pool"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// machine is described by its name and flags: r ready, o outdated, d deleting.
// Machines are the older, the earlier their name is in the alphabet.
func machine(name, flags string) pool.Machine {
	m := pool.Machine{Name: name, Created: epoch.Add(time.Duration(name[0]) * time.Minute)}
	for _, flag := range flags {
		switch flag {
		case 'r':
			m.Ready = true
		case 'o':
			m.Outdated = true
		case 'd':
			m.Deleting = true
		}
	}
	return m
}

func TestMake(t *testing.T) {
	for name, test := range map[string]struct {
		size     int
		machines []pool.Machine
		want     pool.Plan
	}{
		"from nothing":                         {size: 3, want: pool.Plan{Create: 3}},
		"complete":                             {size: 1, machines: []pool.Machine{machine("a", "r")}},
		"complete while booting":               {size: 1, machines: []pool.Machine{machine("a", "")}},
		"the deleted one is replaced":          {size: 1, machines: []pool.Machine{machine("a", "rd")}, want: pool.Plan{Create: 1}},
		"to zero":                              {size: 0, machines: []pool.Machine{machine("a", "r"), machine("b", "ro")}, want: pool.Plan{Delete: []string{"b", "a"}}},
		"the newest goes":                      {size: 1, machines: []pool.Machine{machine("a", "r"), machine("b", "r")}, want: pool.Plan{Delete: []string{"b"}}},
		"the one that is not ready goes first": {size: 1, machines: []pool.Machine{machine("a", ""), machine("b", "r")}, want: pool.Plan{Delete: []string{"a"}}},
		"replacement comes first":              {size: 1, machines: []pool.Machine{machine("a", "ro")}, want: pool.Plan{Create: 1}},
		"replacement boots":                    {size: 1, machines: []pool.Machine{machine("a", "ro"), machine("b", "")}},
		"replacement is ready":                 {size: 1, machines: []pool.Machine{machine("a", "ro"), machine("b", "r")}, want: pool.Plan{Delete: []string{"a"}}},
		"one at a time":                        {size: 3, machines: []pool.Machine{machine("a", "ro"), machine("b", "ro"), machine("c", "ro")}, want: pool.Plan{Create: 1}},
		"an outdated one that serves nobody goes when another is there": {
			size: 1, machines: []pool.Machine{machine("a", "o"), machine("b", "")}, want: pool.Plan{Delete: []string{"a"}},
		},
		"a replacement that never gets ready blocks": {
			size: 2, machines: []pool.Machine{machine("a", "ro"), machine("b", "ro"), machine("c", "")},
		},
		"and is replaced itself when mended": {
			size: 2, machines: []pool.Machine{machine("a", "ro"), machine("b", "ro"), machine("c", "o")}, want: pool.Plan{Delete: []string{"c"}},
		},
		"smaller while replacing": {
			size: 1, machines: []pool.Machine{machine("a", "ro"), machine("b", "ro"), machine("c", "r"), machine("d", "r")},
			want: pool.Plan{Delete: []string{"b", "a", "d"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := pool.Make(test.size, test.machines)
			if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

// TestReplacementEnds plays plans until nothing is left to do, and checks the
// bounds at every step.
func TestReplacementEnds(t *testing.T) {
	for size := range 5 {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			var machines []pool.Machine
			for i := range size {
				machines = append(machines, machine(string(rune('a'+i)), "ro"))
			}
			next := 'f'
			for step := 0; ; step++ {
				if step > 10*(size+1) {
					t.Fatalf("no end; left with %v", machines)
				}
				plan := pool.Make(size, machines)
				if plan.Empty() && allReady(machines) {
					break
				}
				machines = play(machines, plan, &next)
				if len(machines) > size+1 || countReady(machines) < size {
					t.Fatalf("bounds broken: %v", machines)
				}
			}
			for _, m := range machines {
				if m.Outdated {
					t.Errorf("%s was not replaced", m.Name)
				}
			}
		})
	}
}

func play(machines []pool.Machine, plan pool.Plan, next *rune) []pool.Machine {
	var after []pool.Machine
	for _, m := range machines {
		m.Ready = true // what booted in the step before is up now
		if !contains(plan.Delete, m.Name) {
			after = append(after, m)
		}
	}
	for range plan.Create {
		after = append(after, machine(string(*next), ""))
		*next++
	}
	return after
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

func countReady(machines []pool.Machine) (ready int) {
	for _, m := range machines {
		if m.Ready {
			ready++
		}
	}
	return ready
}

func allReady(machines []pool.Machine) bool { return countReady(machines) == len(machines) }
