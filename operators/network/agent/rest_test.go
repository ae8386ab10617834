package agent_test

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
)

// isAtRest makes passes that have nothing to do, once everybody knows what was
// done before: they write nothing.
func (e *environment) isAtRest(ports ...*v1alpha1.NetworkPort) {
	e.t.Helper()
	objects := []client.Object{&v1alpha1.HostNetwork{ObjectMeta: metav1.ObjectMeta{Name: nodeName}}}
	for _, port := range ports {
		objects = append(objects, port)
	}
	err := wait.PollUntilContextTimeout(e.t.Context(), 20*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		before := e.written()
		known := true
		for _, object := range objects {
			known = known && e.isCached(ctx, object)
		}
		return known && e.agent.Sync(ctx) == nil && e.written() == before, nil
	})
	if err != nil {
		e.t.Fatalf("operator and agent do not come to rest: %v", err)
	}
	before := e.written()
	for range 3 {
		must(e.t, e.agent.Sync(e.t.Context()))
	}
	if writes := e.written() - before; writes > 0 {
		e.t.Errorf("%d writes though nothing has changed", writes)
	}
}

func (e *environment) written() (sum int64) {
	for _, writes := range e.writes {
		sum += writes.Load()
	}
	return sum
}

// isCached reports whether the agent knows the newest version of an object.
func (e *environment) isCached(ctx context.Context, object client.Object) bool {
	cached := object.DeepCopyObject().(client.Object)
	key := client.ObjectKeyFromObject(object)
	return e.client.Get(ctx, key, object) == nil && e.cached.Get(ctx, key, cached) == nil &&
		object.GetResourceVersion() == cached.GetResourceVersion()
}
