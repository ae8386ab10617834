package grants

import (
	"context"
	"errors"
	"fmt"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
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

// grantTimeout is how long a read waits for a grant. One may be on its way: the
// RoleBinding comes by another watch than what is worked on.
const grantTimeout = 2 * time.Second

// namespace has the Secrets of one.
type namespace struct {
	// cache is nil until it could be made.
	cache cache.Cache
	// err says why the Secrets cannot be read yet.
	err error
	// ready is closed when the cache can be read.
	ready chan struct{}
	stop  context.CancelFunc
}

// follow opens and closes namespaces as RoleBindings come and go.
func (c *grantedCache) follow(ctx context.Context) toolscache.ResourceEventHandler {
	changed := func(object any) {
		switch binding, ok := object.(*rbacv1.RoleBinding); {
		case !ok:
		case c.grants(binding):
			c.granted(ctx, binding.Namespace)
		case binding.Name == c.binding:
			c.revoked(binding.Namespace)
		}
	}
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc: changed,
		// One that was replaced, by one to another role, while the watch was interrupted.
		UpdateFunc: func(_, object any) { changed(object) },
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

func (c *grantedCache) granted(ctx context.Context, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.namespaces[name] != nil {
		return
	}
	ctx, stop := context.WithCancel(ctx)
	n := &namespace{ready: make(chan struct{}), stop: stop}
	c.namespaces[name] = n
	close(c.changed)
	c.changed = make(chan struct{})
	go c.keep(ctx, name, n)
}

// keep runs the cache of a namespace until ctx ends.
func (c *grantedCache) keep(ctx context.Context, name string, n *namespace) {
	if err := c.awaitCache(ctx, name, n); err != nil {
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

// awaitCache waits until the API server lets the operator in. Its authorizer
// hears of a RoleBinding some milliseconds after the operator may have, and an
// informer that is refused at first does not try again for a second.
func (c *grantedCache) awaitCache(ctx context.Context, name string, n *namespace) error {
	backoff := wait.Backoff{Duration: 5 * time.Millisecond, Factor: 2, Steps: 100, Cap: 15 * time.Second}
	return backoff.DelayFunc().Until(ctx, true, false, func(ctx context.Context) (bool, error) {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(secretListKind)
		err := c.live.List(ctx, list, client.InNamespace(name), client.Limit(1))
		if err == nil {
			if err = c.openCache(ctx, name, n); err != nil {
				log.FromContext(ctx).Error(err, "Watching Secrets", "Namespace", name)
			}
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		n.err = err
		return err == nil, nil
	})
}

// openCache makes the cache of a namespace, with the handlers that there are.
func (c *grantedCache) openCache(ctx context.Context, name string, n *namespace) error {
	secrets, err := c.open(name)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, handler := range c.handlers {
		if err := handler.add(ctx, secrets); err != nil {
			return err
		}
	}
	n.cache = secrets
	return nil
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
	timer := time.NewTimer(grantTimeout)
	defer timer.Stop()
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
		case <-timer.C:
			return nil, c.unreadable(name, n)
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for Secrets of Namespace %q: %w", name, ctx.Err())
		}
	}
}

// unreadable says why the Secrets of a namespace cannot be read; n is nil
// without a RoleBinding. One that the API server does not let the operator in
// by, because it is for somebody else, grants nothing.
func (c *grantedCache) unreadable(name string, n *namespace) error {
	if n == nil {
		return fmt.Errorf("%w in Namespace %q by a RoleBinding %s", ErrNotGranted, name, c.binding)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case apierrors.IsForbidden(n.err):
		return fmt.Errorf("%w in Namespace %q by its RoleBinding %s: %w", ErrNotGranted, name, c.binding, n.err)
	case n.err != nil:
		return fmt.Errorf("watch Secrets of Namespace %q: %w", name, n.err)
	}
	return fmt.Errorf("the Secrets of Namespace %q are not known yet", name)
}
