package tenant

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// Refusal is why a certificate that was asked for in a Machine's name is not approved.
type Refusal struct {
	// Request is the name of the certificate signing request, and Signer its signer.
	Request, Signer string
	// Message is fit for a condition.
	Message string
}

// Refusals are those that stand, of each Machine the last. They are not stored:
// after a restart all requests that wait are decided on again.
type Refusals struct {
	mu        sync.Mutex
	byMachine map[types.NamespacedName]Refusal
	// wake has a Machine looked at.
	wake func(ctx context.Context, machine types.NamespacedName)
}

// NewRefusals calls wake for a Machine whose refusal is another than before.
func NewRefusals(wake func(ctx context.Context, machine types.NamespacedName)) *Refusals {
	return &Refusals{byMachine: map[types.NamespacedName]Refusal{}, wake: wake}
}

// Of returns that of a Machine; nil when there is none.
func (r *Refusals) Of(machine types.NamespacedName) *Refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.byMachine[machine]; ok {
		return &known
	}
	return nil
}

// Add replaces that of a Machine.
func (r *Refusals) Add(ctx context.Context, machine types.NamespacedName, refusal Refusal) {
	r.mu.Lock()
	changed := r.byMachine[machine] != refusal
	r.byMachine[machine] = refusal
	r.mu.Unlock()
	if changed {
		r.wake(ctx, machine)
	}
}

// Approved ends that of a Machine which has got a certificate of the same signer.
func (r *Refusals) Approved(ctx context.Context, machine types.NamespacedName, signer string) {
	r.end(ctx, func(known types.NamespacedName, refusal Refusal) bool {
		return known == machine && refusal.Signer == signer
	})
}

// Forget a Machine that is gone.
func (r *Refusals) Forget(machine types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.byMachine, machine)
}

// withdrawn ends that of a request that is gone.
func (r *Refusals) withdrawn(ctx context.Context, namespace, request string) {
	r.end(ctx, func(known types.NamespacedName, refusal Refusal) bool {
		return known.Namespace == namespace && refusal.Request == request
	})
}

func (r *Refusals) end(ctx context.Context, over func(types.NamespacedName, Refusal) bool) {
	var woken []types.NamespacedName
	r.mu.Lock()
	for machine, refusal := range r.byMachine {
		if over(machine, refusal) {
			delete(r.byMachine, machine)
			woken = append(woken, machine)
		}
	}
	r.mu.Unlock()
	for _, machine := range woken {
		r.wake(ctx, machine)
	}
}
