// Package tenantapi keeps one connection, with its caches, to each of many
// other clusters.
//
// Those clusters are not trusted: their API servers may be slow, answer without
// end, or hold any number of objects. Whatever one of them does costs a bounded
// amount of memory and of time, and no time at all of those who serve others.
package tenantapi

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
)

// ErrNotConnected is what every NotConnectedError is.
var ErrNotConnected = errors.New("tenant API not connected")

// Reasons of a NotConnectedError, fit for conditions.
const (
	// ReasonConnecting: the API has not answered yet, or its caches are being filled.
	ReasonConnecting = "ConnectingToTenantAPI"
	// ReasonUnreachable: the API does not answer any more, or has not for as long as
	// one takes that is well.
	ReasonUnreachable = "TenantAPIUnreachable"
	// ReasonTooManyObjects: the tenant has more objects of a kind than are read.
	ReasonTooManyObjects = "TooManyObjects"
	// ReasonNotServed: the API answers, and does not serve a kind as Kubernetes does.
	ReasonNotServed = "TenantAPINotServed"
	// ReasonInvalidKubeconfig: no connection can be made with what the kubeconfig
	// holds. Only another kubeconfig ends that, and OnChange is not called for it.
	ReasonInvalidKubeconfig = "InvalidKubeconfig"
)

// NotConnectedError says why a tenant cannot be asked now. Whoever gets it is
// woken through OnChange. Its message has no text that a tenant wrote.
type NotConnectedError struct {
	Reason, Message string
}

func (e *NotConnectedError) Error() string { return e.Message }

// Is makes it an ErrNotConnected.
func (e *NotConnectedError) Is(target error) bool { return target == ErrNotConnected }

// Clusters holds the connections. It is safe for concurrent use and never
// blocks on a cluster that does not answer.
type Clusters struct {
	// Scheme of the clients.
	Scheme *runtime.Scheme
	// Mapper knows the kinds that are used; NewMapper makes one. Tenants are not
	// asked, because what they answer is theirs to choose.
	Mapper meta.RESTMapper
	// Cache options of every connection: restrict here what is watched and kept.
	// Reading a kind that OnConnect has not registered is an error.
	Cache cache.Options
	// MaxObjects is how many objects of one kind are read of one tenant;
	// DefaultMaxObjects when zero.
	MaxObjects int
	// OnConnect is called once for each connection as soon as its API answers.
	// It registers the informers that the cache is to have.
	OnConnect func(ctx context.Context, key client.ObjectKey, c cluster.Cluster) error
	// OnChange is called when Get has another answer than before: a connection was
	// made or lost, a kind is not served or has too many objects, or no longer, or
	// one was asked for too early.
	OnChange func(key client.ObjectKey)

	mu          sync.Mutex
	base        context.Context
	connections map[client.ObjectKey]*connection
	// early are those that were asked for before Start.
	early map[client.ObjectKey]struct{}
}

// NewMapper makes a mapper of built-in kinds that asks no API server.
func NewMapper(scheme *runtime.Scheme, namespaced, clusterScoped []client.Object) (meta.RESTMapper, error) {
	mapper := meta.NewDefaultRESTMapper(nil)
	for scope, objects := range map[meta.RESTScope][]client.Object{
		meta.RESTScopeNamespace: namespaced, meta.RESTScopeRoot: clusterScoped,
	} {
		for _, object := range objects {
			kinds, _, err := scheme.ObjectKinds(object)
			if err != nil {
				return nil, fmt.Errorf("find kind of %T: %w", object, err)
			}
			for _, kind := range kinds {
				mapper.Add(kind, scope)
			}
		}
	}
	return mapper, nil
}

// Start keeps the connections until ctx ends; it makes Clusters a manager.Runnable.
func (c *Clusters) Start(ctx context.Context) error {
	c.mu.Lock()
	c.base = ctx
	early := c.early
	c.early = nil
	c.mu.Unlock()
	for key := range early {
		c.OnChange(key)
	}
	<-ctx.Done()
	return nil
}

// Get returns the tenant that key names, and a NotConnectedError while it cannot
// be asked. version changes with the kubeconfig, which is read only to make a
// connection: for the first time, or again because of another version.
func (c *Clusters) Get(key client.ObjectKey, version string, kubeconfig func() ([]byte, error)) (*Tenant, error) {
	if conn, started := c.known(key, version); !started {
		return nil, connecting
	} else if conn != nil {
		return conn.current()
	}
	content, err := kubeconfig()
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig of %s: %w", key, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	conn := c.connections[key]
	if conn != nil && conn.version == version {
		return conn.current() // another caller was faster
	}
	if conn != nil {
		conn.cancel()
	}
	if conn, err = newConnection(c.base, c, key, version, content); err != nil {
		return nil, &NotConnectedError{Reason: ReasonInvalidKubeconfig, Message: fmt.Sprintf(
			"the kubeconfig in Secret %s is of no use: %v", key, err)}
	}
	if c.connections == nil {
		c.connections = map[client.ObjectKey]*connection{}
	}
	c.connections[key] = conn
	return conn.current()
}

// known finds the connection of that version. Controllers start beside this
// runnable, in no order: started is false for one that asks too early.
func (c *Clusters) known(key client.ObjectKey, version string) (conn *connection, started bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.base == nil {
		if c.early == nil {
			c.early = map[client.ObjectKey]struct{}{}
		}
		c.early[key] = struct{}{}
		return nil, false
	}
	if conn := c.connections[key]; conn != nil && conn.version == version {
		return conn, true
	}
	return nil, true
}

// Forget ends the connection to a tenant that is gone.
func (c *Clusters) Forget(key client.ObjectKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.early, key)
	if conn := c.connections[key]; conn != nil {
		conn.cancel()
		delete(c.connections, key)
	}
}
