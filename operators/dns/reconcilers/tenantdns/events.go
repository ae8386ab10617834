package tenantdns

import (
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/dns/zone"
)

// Events tells the readers of events what has happened to a tenant's names.
type Events struct {
	events.EventRecorder
}

func (e Events) namesServed(tenant *v1alpha1.TenantDNS, names []string) {
	e.Eventf(tenant, nil, corev1.EventTypeNormal, "NamesServed", "Publish", "Authoritative server answers for %s", strings.Join(names, ", "))
}

func (e Events) namesWithdrawn(tenant *v1alpha1.TenantDNS, names []string) {
	e.Eventf(tenant, nil, corev1.EventTypeNormal, "NamesWithdrawn", "Withdraw",
		"Records of %s are withdrawn", strings.Join(names, ", "))
}

func (e Events) recordsRemain(tenant *v1alpha1.TenantDNS, limit time.Duration, remaining string) {
	e.Eventf(tenant, nil, corev1.EventTypeWarning, "RecordsRemain", "Delete", "Gave up after %s: %s", limit, remaining)
}

// verdict is what a report says of names.
type verdict struct {
	uid    types.UID
	names  zone.Names
	served bool
}

// told has the last verdicts: the cache may not have the report yet that this
// process has just written, and would have it tell the same twice.
type told struct {
	mu   sync.Mutex
	last map[types.NamespacedName]verdict
}

func (t *told) replace(key types.NamespacedName, now verdict) (before verdict, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil {
		t.last = map[types.NamespacedName]verdict{}
	}
	before, known = t.last[key]
	t.last[key] = now
	return before, known
}

func (t *told) forget(key types.NamespacedName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.last, key)
}
