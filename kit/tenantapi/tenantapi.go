// Package tenantapi keeps one connection, with its caches, to each of many
// other clusters, found through Secrets that hold a kubeconfig.
package tenantapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// ErrNotConnected is given until a cluster's API has answered and its caches
// are filled. Whoever gets it is woken through OnConnect.
var ErrNotConnected = errors.New("tenant API not connected yet")

// Clusters holds the connections. It is safe for concurrent use and never
// blocks on a cluster that does not answer.
type Clusters struct {
	// Scheme of the clients.
	Scheme *runtime.Scheme
	// Cache options of every connection: restrict here what is watched.
	Cache cache.Options
	// OnConnect is called once for each connection as soon as its API answers.
	// It registers the informers that the cache shall have.
	OnConnect func(ctx context.Context, key client.ObjectKey, c cluster.Cluster) error
	// OnReady is called when a connection's caches are filled, when it failed,
	// and when one was asked for too early: it is time to call Get again.
	OnReady func(key client.ObjectKey)

	mu          sync.Mutex
	base        context.Context
	connections map[client.ObjectKey]*connection
	// early are those that were asked for before Start.
	early map[client.ObjectKey]struct{}
}

type connection struct {
	kubeconfig []byte
	cancel     context.CancelFunc
	ready      chan struct{}
	cluster    cluster.Cluster
}

// Start keeps the connections until ctx ends; it makes Clusters a manager.Runnable.
func (c *Clusters) Start(ctx context.Context) error {
	c.mu.Lock()
	c.base = ctx
	early := c.early
	c.early = nil
	c.mu.Unlock()
	for key := range early {
		c.OnReady(key)
	}
	<-ctx.Done()
	return nil
}

// Get gives the client of the cluster whose kubeconfig is in secret under
// dataKey, and ErrNotConnected until it is there. A changed kubeconfig makes a
// new connection.
func (c *Clusters) Get(secret *corev1.Secret, dataKey string) (client.Client, error) {
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
		return nil, ErrNotConnected
	}
	conn := c.connections[key]
	if conn != nil && !bytes.Equal(conn.kubeconfig, kubeconfig) {
		conn.cancel()
		conn = nil
	}
	if conn == nil {
		var err error
		if conn, err = c.connect(key, kubeconfig); err != nil {
			return nil, err
		}
		if c.connections == nil {
			c.connections = map[client.ObjectKey]*connection{}
		}
		c.connections[key] = conn
	}
	select {
	case <-conn.ready:
		return conn.cluster.GetClient(), nil
	default:
		return nil, ErrNotConnected
	}
}

// Forget ends the connection of a Secret that is gone.
func (c *Clusters) Forget(key client.ObjectKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if conn := c.connections[key]; conn != nil {
		conn.cancel()
		delete(c.connections, key)
	}
}

func (c *Clusters) connect(key client.ObjectKey, kubeconfig []byte) (*connection, error) {
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig of %s: %w", key, err)
	}
	config.QPS, config.Burst = 50, 100
	ctx, cancel := context.WithCancel(c.base)
	conn := &connection{kubeconfig: kubeconfig, cancel: cancel, ready: make(chan struct{})}
	go c.run(ctx, key, conn, config)
	return conn, nil
}

// run waits until the API answers, fills the caches and reports. When the
// connection cannot be made it is forgotten, and the owner told, so that the
// next Get makes another.
func (c *Clusters) run(ctx context.Context, key client.ObjectKey, conn *connection, config *rest.Config) {
	defer conn.cancel()
	err := AwaitReadyz(ctx, config, 250*time.Millisecond)
	if ctx.Err() != nil {
		return // the connection was ended
	}
	if err == nil {
		err = c.serve(ctx, key, conn, config)
	}
	if err != nil && ctx.Err() == nil {
		log.FromContext(ctx).Error(err, "Caching tenant API", "Secret", key)
		c.drop(key, conn)
	}
}

// serve keeps the caches until ctx ends. The cluster is made only now that its
// API answers, because making its caches may ask which kinds are namespaced.
func (c *Clusters) serve(ctx context.Context, key client.ObjectKey, conn *connection, config *rest.Config) error {
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return fmt.Errorf("make HTTP client: %w", err)
	}
	conn.cluster, err = cluster.New(config, func(o *cluster.Options) {
		o.Scheme = c.Scheme
		o.Cache = c.Cache
		o.HTTPClient = httpClient
	})
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if err := c.OnConnect(ctx, key, conn.cluster); err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	go func() {
		if conn.cluster.GetCache().WaitForCacheSync(ctx) && ctx.Err() == nil {
			close(conn.ready)
			c.OnReady(key)
		}
	}()
	return conn.cluster.Start(ctx)
}

// drop forgets a connection that failed, unless another has taken its place.
func (c *Clusters) drop(key client.ObjectKey, conn *connection) {
	c.mu.Lock()
	if c.connections[key] == conn {
		delete(c.connections, key)
	}
	c.mu.Unlock()
	c.OnReady(key)
}

// AwaitReadyz asks every interval, each time for at most five seconds, until the
// API server says that it is ready. When ctx ends before, the error holds the
// last answer. No watch can tell when a server of another cluster begins to answer.
func AwaitReadyz(ctx context.Context, config *rest.Config, interval time.Duration) error {
	config = rest.CopyConfig(config)
	config.Timeout = 5 * time.Second
	config.QPS = -1 // interval is the limit
	asker, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	var last error
	err = wait.PollUntilContextCancel(ctx, interval, true, func(ctx context.Context) (bool, error) {
		last = asker.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("wait for %s: %w", config.Host, errors.Join(err, last))
	}
	return nil
}
