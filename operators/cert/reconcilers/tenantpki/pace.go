package tenantpki

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// reportInterval is how long a report that nobody waits for may have to wait.
const reportInterval = time.Second

// pace holds back reports: the Secrets of a tenant are issued one by one, and
// each would be a request that wakes everybody who watches.
type pace struct {
	mu   sync.Mutex
	last map[types.NamespacedName]time.Time
}

// due says how long the next report of a tenant is to wait; not at all when the
// last one was long ago.
func (p *pace) due(tenant types.NamespacedName, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(0, reportInterval-now.Sub(p.last[tenant]))
}

func (p *pace) reported(tenant types.NamespacedName, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == nil {
		p.last = map[types.NamespacedName]time.Time{}
	}
	p.last[tenant] = now
}

func (p *pace) forget(tenant types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.last, tenant)
}
