package agent

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/api/v1alpha1"
)

// refusals are the NICs that could not be plugged in, by port, with the reason.
// What was begun for them is taken away again, so no pass finds them.
type refusals struct {
	mu     sync.Mutex
	reason map[types.UID]error
}

// record keeps the outcome of the last attempt.
func (r *refusals) record(port types.UID, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		delete(r.reason, port)
		return
	}
	if r.reason == nil {
		r.reason = map[types.UID]error{}
	}
	r.reason[port] = err
}

// first names the first port, by name, that could not be plugged in. It forgets
// those that are gone, or plugged in on another node.
func (r *refusals) first(nodeName string, ports []v1alpha1.NetworkPort) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var refused []v1alpha1.NetworkPort
	waiting := map[types.UID]error{}
	for _, p := range ports {
		err, at := r.reason[p.UID], p.Status.Attachment
		if err != nil && (at == nil || at.NodeName == nodeName) {
			refused, waiting[p.UID] = append(refused, p), err
		}
	}
	r.reason = waiting
	if len(refused) == 0 {
		return nil
	}
	p := slices.MinFunc(refused, func(a, b v1alpha1.NetworkPort) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return fmt.Errorf("NetworkPort %s/%s: %w", p.Namespace, p.Name, waiting[p.UID])
}
