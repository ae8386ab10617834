package tenant

import (
	"context"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/util/sets"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
)

// Requests are the names of certificate signing requests that wait for a
// decision, by tenant. The queue of the controller has tenants, not requests: so
// one that makes thousands of them waits for its own, and nobody with it. There
// are no more than the informer lets in.
type Requests struct {
	// Events has the namespace of a tenant with requests that wait.
	Events chan event.TypedGenericEvent[string]

	mu      sync.Mutex
	waiting map[string]sets.Set[string]
	// last has the name that was taken last.
	last     map[string]string
	refusals *Refusals
}

func newRequests(refusals *Refusals) *Requests {
	return &Requests{
		Events:   make(chan event.TypedGenericEvent[string], eventBuffer),
		waiting:  map[string]sets.Set[string]{},
		last:     map[string]string{},
		refusals: refusals,
	}
}

// Wait reports whether a tenant has requests that wait.
func (r *Requests) Wait(namespace string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.waiting[namespace]) > 0
}

// Take removes and returns up to n requests of the tenant with that hosted
// namespace, in the order of their names and beginning after those that were
// taken last: what cannot be decided on, and was put back, lets others go first.
// more is true when others are left.
func (r *Requests) Take(namespace string, n int) (names []string, more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := sets.List(r.waiting[namespace])
	if len(all) == 0 {
		return nil, false
	}
	next, found := slices.BinarySearch(all, r.last[namespace])
	if found {
		next++
	}
	names = slices.Concat(all[next:], all[:next])[:min(n, len(all))]
	r.last[namespace] = names[len(names)-1]
	r.waiting[namespace].Delete(names...)
	return names, len(all) > len(names)
}

// Return puts back what could not be decided on.
func (r *Requests) Return(namespace string, names ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting[namespace] == nil {
		r.waiting[namespace] = sets.New[string]()
	}
	r.waiting[namespace].Insert(names...)
}

func (r *Requests) remove(namespace, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting[namespace].Delete(name)
}

func (r *Requests) forget(namespace string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.waiting, namespace)
	delete(r.last, namespace)
}

// wake has the requests looked at that wait in a tenant.
func (r *Requests) wake(namespace string) {
	r.Events <- event.TypedGenericEvent[string]{Object: namespace}
}

// handler takes in the requests of one tenant.
func (r *Requests) handler(ctx context.Context, namespace string) toolscache.ResourceEventHandler {
	appeared := func(o any) {
		object, ok := o.(client.Object)
		if !ok {
			return
		}
		r.Return(namespace, object.GetName())
		select {
		case r.Events <- event.TypedGenericEvent[string]{Object: namespace}:
		case <-ctx.Done():
		}
	}
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    appeared,
		UpdateFunc: func(_, after any) { appeared(after) },
		DeleteFunc: func(o any) {
			if tombstone, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
				o = tombstone.Obj
			}
			if object, ok := o.(client.Object); ok {
				r.remove(namespace, object.GetName())
				r.refusals.withdrawn(ctx, namespace, object.GetName())
			}
		},
	}
}
