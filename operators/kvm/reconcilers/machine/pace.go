package machine

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"
)

// A tenant's admin may change its Nodes as often as they like, and each change
// may become writes to the management cluster: to the Machine, and from there to
// its NodePool and its TenantCluster.
const (
	// nodeChangeInterval is how often a Node that changes all the time wakes its Machine.
	nodeChangeInterval = 5 * time.Second
	// nodeChangeBurst is more changes than a Node makes while it joins.
	nodeChangeBurst = 10
	// tenantChangesPerSecond and tenantChangeBurst are for all Nodes of a tenant together.
	tenantChangesPerSecond = 20
	tenantChangeBurst      = 300
)

// pace holds back wake-ups for what changes in tenants. Those of one tenant
// never wait for another's.
type pace struct {
	mu       sync.Mutex
	machines map[types.NamespacedName]*turns
	tenants  map[string]*rate.Limiter
}

// turns are the wake-ups of one Machine.
type turns struct {
	limiter *rate.Limiter
	// next is the wake-up that was held back last; what changes until then needs no other.
	next time.Time
}

// wait returns how long the wake-up for a change has to wait; zero for one that
// comes at once.
func (p *pace) wait(machine types.NamespacedName, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.machines == nil {
		p.machines, p.tenants = map[types.NamespacedName]*turns{}, map[string]*rate.Limiter{}
	}
	own, all := p.machines[machine], p.tenants[machine.Namespace]
	if own == nil {
		own = &turns{limiter: rate.NewLimiter(rate.Every(nodeChangeInterval), nodeChangeBurst)}
		p.machines[machine] = own
	}
	if all == nil {
		all = rate.NewLimiter(tenantChangesPerSecond, tenantChangeBurst)
		p.tenants[machine.Namespace] = all
	}
	if left := own.next.Sub(now); left > 0 {
		return left
	}
	wait := max(own.limiter.ReserveN(now, 1).DelayFrom(now), all.ReserveN(now, 1).DelayFrom(now))
	if wait > 0 {
		own.next = now.Add(wait)
	}
	return wait
}

// forget a Machine that is gone.
func (p *pace) forget(machine types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.machines, machine)
}

// forgetTenant whose namespace is gone.
func (p *pace) forgetTenant(namespace string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.tenants, namespace)
}
