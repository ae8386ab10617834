// Package tenantapi keeps one connection, with its caches, to each of many
// other clusters, found through Secrets that hold a kubeconfig.
//
// Those clusters are not trusted: their API servers may be slow, answer without
// end, or hold any number of objects. Whatever one of them does costs a bounded
// amount of memory and of time, and no time at all of those who serve others.
package tenantapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
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
	// ReasonUnreachable: the API has answered before, and does not any more.
	ReasonUnreachable = "TenantAPIUnreachable"
	// ReasonTooManyObjects: the tenant has more objects of a kind than are read.
	ReasonTooManyObjects = "TooManyObjects"
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
	// It registers the informers that the cache shall have.
	OnConnect func(ctx context.Context, key client.ObjectKey, c cluster.Cluster) error
	// OnChange is called when a connection was made or lost, and for one that was
	// asked for too early: it is time to call Get again.
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

// Get gives the tenant whose kubeconfig is in secret under dataKey, and a
// NotConnectedError while it cannot be asked. A changed kubeconfig makes a new
// connection.
func (c *Clusters) Get(secret *corev1.Secret, dataKey string) (*Tenant, error) {
	key := client.ObjectKeyFromObject(secret)
	kubeconfig := secret.Data[dataKey]
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.base == nil {
		// Controllers start beside this runnable, in no order.
		if c.early == nil {
			c.early = map[client.ObjectKey]struct{}{}
		}
		c.early[key] = struct{}{}
		return nil, connecting
	}
	conn := c.connections[key]
	if conn != nil && !bytes.Equal(conn.kubeconfig, kubeconfig) {
		conn.cancel()
		conn = nil
	}
	if conn == nil {
		var err error
		if conn, err = newConnection(c.base, c, key, kubeconfig); err != nil {
			return nil, err
		}
		if c.connections == nil {
			c.connections = map[client.ObjectKey]*connection{}
		}
		c.connections[key] = conn
	}
	return conn.current()
}

// Forget ends the connection of a Secret that is gone.
func (c *Clusters) Forget(key client.ObjectKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.early, key)
	if conn := c.connections[key]; conn != nil {
		conn.cancel()
		delete(c.connections, key)
	}
}
