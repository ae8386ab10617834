package pool_test

import (
	"fmt"
	"slices"
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
		"from nothing":                {size: 3, want: pool.Plan{Create: 3}},
		"complete":                    {size: 1, machines: []pool.Machine{machine("a", "r")}},
		"complete while booting":      {size: 1, machines: []pool.Machine{machine("a", "")}},
		"the deleted one is replaced": {size: 1, machines: []pool.Machine{machine("a", "rd")}, want: pool.Plan{Create: 1}},
		"two are deleted, and one at a time is replaced": {
			size: 3, machines: []pool.Machine{machine("a", "rd"), machine("b", "rd"), machine("c", "r")}, want: pool.Plan{Create: 1},
		},
		"the next one is replaced when one that was deleted is gone": {
			size: 3, machines: []pool.Machine{machine("b", "rd"), machine("c", "r"), machine("d", "r")}, want: pool.Plan{Create: 1},
		},
		"one that cannot be drained holds up the next replacement": {
			size: 2, machines: []pool.Machine{machine("a", "rod"), machine("b", "ro"), machine("c", "r")},
		},
		"and no longer when it is gone": {
			size: 2, machines: []pool.Machine{machine("b", "ro"), machine("c", "r")}, want: pool.Plan{Create: 1},
		},
		"larger again while those that were too many are drained": {
			size: 3, machines: []pool.Machine{machine("a", "rd"), machine("b", "rd"), machine("c", "rd")}, want: pool.Plan{Create: 1},
		},
		"more are wanted while one is drained": {
			size: 3, machines: []pool.Machine{machine("a", "rd"), machine("b", "r")}, want: pool.Plan{Create: 2},
		},
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
// bounds at every step, also where it takes long to drain a Machine.
func TestReplacementEnds(t *testing.T) {
	for size := range 5 {
		for _, drain := range []int{0, 1, 5} {
			t.Run(fmt.Sprintf("%d, drained in %d steps", size, drain), func(t *testing.T) { testReplacementEnds(t, size, drain) })
		}
	}
}

func testReplacementEnds(t *testing.T, size, drain int) {
	g := game{drain: drain, steps: map[string]int{}}
	for range size {
		g.add("ro")
	}
	for step := 0; ; step++ {
		if step > 10*(size+1)*(drain+1) {
			t.Fatalf("no end; left with %v", g.machines)
		}
		plan := pool.Make(size, g.machines)
		if plan.Empty() && countReady(g.machines) == len(g.machines) {
			break
		}
		g.play(plan)
		if len(g.machines) > size+1 || countReady(g.machines) < size {
			t.Fatalf("bounds broken: %v", g.machines)
		}
	}
	for _, m := range g.machines {
		if m.Outdated {
			t.Errorf("%s was not replaced", m.Name)
		}
	}
}

// game plays plans.
type game struct {
	machines []pool.Machine
	made     rune
	// drain is how many steps it takes, and steps those that it took already.
	drain int
	steps map[string]int
}

func (g *game) add(flags string) {
	g.machines = append(g.machines, machine(string('a'+g.made), flags))
	g.made++
}

func (g *game) play(plan pool.Plan) {
	var after []pool.Machine
	for _, m := range g.machines {
		if m.Deleting || slices.Contains(plan.Delete, m.Name) {
			m.Deleting, m.Ready = true, false
			if g.steps[m.Name]++; g.steps[m.Name] > g.drain {
				continue
			}
		} else {
			m.Ready = true // what booted in the step before is up now
		}
		after = append(after, m)
	}
	g.machines = after
	for range plan.Create {
		g.add("")
	}
}

func countReady(machines []pool.Machine) (ready int) {
	for _, m := range machines {
		if m.Ready {
			ready++
		}
	}
	return ready
}
