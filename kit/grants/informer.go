package grants

import (
	"context"
	"errors"
	"fmt"
	"time"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// informer reports the Secrets of all granted namespaces. The embedded
// one is that of RoleBindings: this one has synced when it is known which
// namespaces there are, because a namespace whose Secrets cannot be read for now
// must not hold up the others.
type informer struct {
	cache.Informer
	cache  *grantedCache
	object client.Object
}

// handler is one that has been added, for namespaces that come later.
type handler struct {
	object  client.Object
	handler toolscache.ResourceEventHandler
	options toolscache.HandlerOptions
}

// add registers the handler in the cache of a namespace.
func (h *handler) add(ctx context.Context, secrets cache.Cache) error {
	informer, err := secrets.GetInformer(ctx, h.object, cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("watch Secrets: %w", err)
	}
	if _, err := informer.AddEventHandlerWithOptions(h.handler, h.options); err != nil {
		return fmt.Errorf("watch Secrets: %w", err)
	}
	return nil
}

func (i *informer) AddEventHandler(handler toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.AddEventHandlerWithOptions(handler, toolscache.HandlerOptions{})
}

func (i *informer) AddEventHandlerWithResyncPeriod(handler toolscache.ResourceEventHandler, period time.Duration) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.AddEventHandlerWithOptions(handler, toolscache.HandlerOptions{ResyncPeriod: &period})
}

func (i *informer) AddEventHandlerWithOptions(added toolscache.ResourceEventHandler, options toolscache.HandlerOptions) (toolscache.ResourceEventHandlerRegistration, error) {
	h := &handler{object: i.object, handler: added, options: options}
	c := i.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.namespaces {
		if n.cache == nil {
			continue // it gets all handlers when it is made
		}
		if err := h.add(context.Background(), n.cache); err != nil {
			return nil, err
		}
	}
	c.handlers = append(c.handlers, h)
	// Its registration says when the RoleBindings are known.
	return i.Informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{})
}

func (i *informer) RemoveEventHandler(toolscache.ResourceEventHandlerRegistration) error {
	return errors.New("handlers of Secrets that are read by grant stay as long as the cache")
}

func (i *informer) AddIndexers(toolscache.Indexers) error {
	return errors.New("no index of Secrets that are read by grant")
}
