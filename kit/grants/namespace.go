package grants

import (
	"context"
	"errors"
	"fmt"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// ErrNotGranted is the error of a read in a namespace in which nothing grants
// it. It does not say that the Secret is not there.
var ErrNotGranted = errors.New("reading Secrets is not granted")

// patience is how long a read waits for a grant. One may be on its way: the
// RoleBinding comes by another watch than what is worked on.
const patience = 2 * time.Second

// namespace has the Secrets of one.
type namespace struct {
	cache cache.Cache
	// ready is closed when the cache can be read.
	ready chan struct{}
	stop  context.CancelFunc
}

// follow opens and closes namespaces as RoleBindings come and go.
func (c *grantedCache) follow(ctx context.Context) toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc: func(object any) {
			binding, ok := object.(*rbacv1.RoleBinding)
			if !ok || !c.grants(binding) {
				return
			}
			if err := c.granted(ctx, binding.Namespace); err != nil {
				log.FromContext(ctx).Error(err, "Watching Secrets", "Namespace", binding.Namespace)
			}
		},
		DeleteFunc: func(object any) {
			if tombstone, ok := object.(toolscache.DeletedFinalStateUnknown); ok {
				object = tombstone.Obj
			}
			if binding, ok := object.(*rbacv1.RoleBinding); ok && c.grants(binding) {
				c.revoked(binding.Namespace)
			}
		},
	}
}

func (c *grantedCache) granted(ctx context.Context, name string) error {
	secrets, err := c.open(name)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.namespaces[name] != nil {
		return nil
	}
	ctx, stop := context.WithCancel(ctx)
	n := &namespace{cache: secrets, ready: make(chan struct{}), stop: stop}
	for _, handler := range c.handlers {
		if err := handler.add(ctx, secrets); err != nil {
			stop()
			return err
		}
	}
	c.namespaces[name] = n
	close(c.changed)
	c.changed = make(chan struct{})
	go c.keep(ctx, name, n)
	return nil
}

// keep runs the cache of a namespace until ctx ends.
func (c *grantedCache) keep(ctx context.Context, name string, n *namespace) {
	if err := c.awaitAccess(ctx, name); err != nil {
		return // ctx has ended
	}
	go func() {
		if n.cache.WaitForCacheSync(ctx) {
			close(n.ready)
		}
	}()
	if err := n.cache.Start(ctx); err != nil {
		log.FromContext(ctx).Error(err, "Watching Secrets", "Namespace", name)
	}
}

// awaitAccess waits until the API server lets the operator in. Its authorizer
// hears of a RoleBinding some milliseconds after the operator may have, and an
// informer that is refused at first does not try again for a second.
func (c *grantedCache) awaitAccess(ctx context.Context, name string) error {
	backoff := wait.Backoff{Duration: 5 * time.Millisecond, Factor: 2, Steps: 100, Cap: 15 * time.Second}
	return backoff.DelayFunc().Until(ctx, true, false, func(ctx context.Context) (bool, error) {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(secretListKind)
		return c.live.List(ctx, list, client.InNamespace(name), client.Limit(1)) == nil, nil
	})
}

func (c *grantedCache) revoked(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.namespaces[name]; n != nil {
		n.stop()
		delete(c.namespaces, name)
	}
}

// secrets is the cache of a namespace, when it can be read.
func (c *grantedCache) secrets(ctx context.Context, name string) (client.Reader, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		c.mu.Lock()
		n, changed := c.namespaces[name], c.changed
		c.mu.Unlock()
		ready := changed
		if n != nil {
			ready = n.ready
		}
		select {
		case <-ready:
			if n != nil {
				return n.cache, nil
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("%w in Namespace %q by a RoleBinding %s", ErrNotGranted, name, c.binding)
		}
	}
}
