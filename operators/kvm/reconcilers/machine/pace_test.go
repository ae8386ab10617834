package machine

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// flood changes Nodes all the time, and returns how often their Machines were
// woken. A wake-up that is held back happens when its time has come, once,
// however many changes asked for it: so do those of a work queue.
func flood(p *pace, machines []types.NamespacedName, begin time.Time, duration time.Duration) (woken int) {
	held := map[types.NamespacedName]time.Time{}
	for now := begin; now.Before(begin.Add(duration)); now = now.Add(200 * time.Millisecond) {
		for _, machine := range machines {
			if at, waits := held[machine]; waits && !at.After(now) {
				delete(held, machine)
				woken++
			}
			wait := p.wait(machine, now)
			if wait == 0 {
				woken++
			} else if _, waits := held[machine]; !waits {
				held[machine] = now.Add(wait)
			}
		}
	}
	return woken
}

func machinesOf(namespace string, count int) (machines []types.NamespacedName) {
	for n := range count {
		machines = append(machines, types.NamespacedName{Namespace: namespace, Name: fmt.Sprint(n)})
	}
	return machines
}

func TestNodesThatChangeAllTheTime(t *testing.T) {
	const minutes = 3
	var p pace
	if woken, most := flood(&p, machinesOf("one", 1), epoch, minutes*time.Minute), nodeChangeBurst+minutes*12+1; woken > most || woken < most-2 {
		t.Errorf("one Machine was woken %d times, want %d: at first for each change, then every %s", woken, most, nodeChangeInterval)
	}
	const most = tenantChangeBurst + minutes*60*tenantChangesPerSecond + 1
	if woken := flood(&p, machinesOf("many", 1000), epoch, minutes*time.Minute); woken > most {
		t.Errorf("a tenant's Machines were woken %d times, want %d at most", woken, most)
	}
	if wait := p.wait(types.NamespacedName{Namespace: "other", Name: "0"}, epoch.Add(minutes*time.Minute)); wait > 0 {
		t.Errorf("another tenant waits for %s", wait)
	}
}

func TestNothingIsHeldBackWhileNodesJoin(t *testing.T) {
	var p pace
	for _, machine := range machinesOf("new", 50) {
		for change := range 6 {
			if wait := p.wait(machine, epoch); wait > 0 {
				t.Fatalf("change %d of Machine %s waits for %s", change, machine.Name, wait)
			}
		}
	}
	machine := machinesOf("new", 1)[0]
	flood(&p, []types.NamespacedName{machine}, epoch, time.Minute)
	// A Machine that was quiet for long, as one is whose guest starts anew, has all its turns again.
	later := epoch.Add(10 * time.Minute)
	for change := range nodeChangeBurst {
		if wait := p.wait(machine, later); wait > 0 {
			t.Fatalf("change %d waits for %s", change, wait)
		}
	}
}

func TestPaceForgets(t *testing.T) {
	var p pace
	flood(&p, machinesOf("gone", 3), epoch, time.Second)
	for _, machine := range machinesOf("gone", 3) {
		p.forget(machine)
	}
	p.forgetTenant("gone")
	if len(p.machines)+len(p.tenants) > 0 {
		t.Errorf("%d Machines and %d tenants are still known", len(p.machines), len(p.tenants))
	}
}
