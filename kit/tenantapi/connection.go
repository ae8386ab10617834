package tenantapi

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/connrotation"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

const (
	// startupProbeInterval is how often an API that is coming up is probed, during
	// the startupPeriod: control planes take about ten seconds.
	startupProbeInterval = 250 * time.Millisecond
	startupPeriod        = time.Minute
	// gracePeriod is how long an API that has never answered may stay silent before
	// it counts as unreachable.
	gracePeriod = 10 * time.Second
	// unservedAfter is how long a kind may be unreadable before that is reported.
	unservedAfter = 10 * time.Second
	// probeInterval is how often an API that answers is probed. After two probes in
	// a row without an answer within probeTimeout it counts as unreachable.
	probeInterval = 5 * time.Second
	probeTimeout  = 3 * time.Second
)

var (
	connecting = &NotConnectedError{Reason: ReasonConnecting, Message: "the tenant's API server has not answered yet"}
	notServed  = &NotConnectedError{Reason: ReasonNotServed, Message: "the tenant's API server answers, but not what it is asked to list"}
)

// reconnectBackoff is how long to wait between probes of an API that stays silent.
func reconnectBackoff() wait.Backoff {
	return wait.Backoff{Duration: time.Second, Factor: 1.5, Jitter: 0.1, Steps: 100, Cap: 15 * time.Second}
}

// connection is one tenant's. It lasts as long as its kubeconfig does, through
// any number of times that the API goes and comes back.
type connection struct {
	clusters *Clusters
	key      client.ObjectKey
	version  string
	config   *rest.Config
	dialer   *connrotation.Dialer
	cancel   context.CancelFunc
	// httpClient is that of all requests.
	httpClient *http.Client
	prober     *prober

	mu sync.Mutex
	// tenant is nil while the API does not answer; down says why.
	tenant *Tenant
	down   *NotConnectedError
	// oversized are the kinds of which the tenant has too many objects.
	oversized map[string]struct{}
	// unserved are the kinds that cannot be read, and since when.
	unserved map[string]time.Time
}

func newConnection(ctx context.Context, clusters *Clusters, key client.ObjectKey, version string, kubeconfig []byte) (*connection, error) {
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return nil, errors.New("it cannot be read") // why may quote a key
	}
	conn := &connection{
		clusters: clusters, key: key, version: version,
		config: limited(config), dialer: connrotation.NewDialer((&net.Dialer{Timeout: probeTimeout}).DialContext),
		down: connecting, oversized: map[string]struct{}{}, unserved: map[string]time.Time{},
	}
	conn.config.Dial = conn.dialer.DialContext
	if conn.httpClient, err = rest.HTTPClientFor(conn.config); err != nil {
		return nil, fmt.Errorf("make HTTP client: %w", err)
	}
	if conn.prober, err = newProber(conn.config, conn.httpClient); err != nil {
		return nil, err
	}
	ctx, conn.cancel = context.WithCancel(ctx)
	go conn.run(ctx)
	return conn, nil
}

func (c *connection) current() (*Tenant, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.oversized) > 0 {
		kinds := strings.Join(slices.Sorted(maps.Keys(c.oversized)), ", ")
		return nil, &NotConnectedError{Reason: ReasonTooManyObjects, Message: fmt.Sprintf(
			"the tenant has more than %d objects of kind %s, which is as many as are read; delete some", c.clusters.maxObjects(), kinds)}
	}
	for _, kind := range slices.Sorted(maps.Keys(c.unserved)) {
		if time.Since(c.unserved[kind]) >= unservedAfter {
			return nil, &NotConnectedError{Reason: ReasonNotServed, Message: fmt.Sprintf(
				"the tenant's API server does not serve objects of kind %s; if an APIService was pointed elsewhere, delete it", kind)}
		}
	}
	if c.tenant == nil {
		return nil, c.down
	}
	return c.tenant, nil
}

// setState changes the state and tells the owner. It does nothing once ctx has
// ended, so that a late answer cannot follow the loss of the connection.
func (c *connection) setState(ctx context.Context, tenant *Tenant, down *NotConnectedError) {
	c.mu.Lock()
	over := ctx.Err() != nil
	changed := c.tenant != tenant || down == nil || *c.down != *down
	if !over {
		c.tenant, c.down = tenant, down
	}
	c.mu.Unlock()
	if changed && !over {
		c.clusters.OnChange(c.key)
	}
}

// run connects, and connects again when the connection is lost, until ctx ends.
func (c *connection) run(ctx context.Context) {
	defer c.dialer.CloseAll()
	// One that fails as soon as it is made is not made again at once.
	pause := reconnectBackoff()
	for {
		if c.awaitAPI(ctx) != nil {
			return
		}
		made := time.Now()
		err := c.serve(ctx)
		if ctx.Err() != nil {
			return
		}
		log.FromContext(ctx).Info("Tenant API lost", "tenant", c.key, "reason", err.Error())
		// What was sent on them before may wait for an answer that never comes.
		c.dialer.CloseAll()
		c.resetKinds()
		c.setState(ctx, nil, unreachable(err))
		if time.Since(made) > startupPeriod {
			pause = reconnectBackoff()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause.Step()):
		}
	}
}

// awaitAPI returns when the API answers that it is ready, and with an error only
// when ctx ends. One that stays silent for a while counts as unreachable, also
// when it has never answered: after a restart of this program nobody knows how
// long it has been dead.
func (c *connection) awaitAPI(ctx context.Context) error {
	patient, cancel := context.WithTimeout(ctx, gracePeriod)
	err := c.prober.await(patient, startupProbeInterval)
	cancel()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	c.setState(ctx, nil, unreachable(err))
	startup, cancel := context.WithTimeout(ctx, startupPeriod-gracePeriod)
	defer cancel()
	if c.prober.await(startup, startupProbeInterval) == nil {
		return nil
	}
	backoff := reconnectBackoff()
	for ctx.Err() == nil {
		if c.prober.probe(ctx) == nil {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(backoff.Step()):
		}
	}
	return ctx.Err()
}

// serve keeps the caches until the API stops answering or ctx ends.
func (c *connection) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	target, err := c.cluster()
	if err != nil {
		return err
	}
	live, err := client.New(c.config, client.Options{HTTPClient: c.httpClient, Scheme: c.clusters.Scheme, Mapper: c.clusters.Mapper})
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	// Both beside OnConnect, which may wait for the tenant for as long as it likes.
	go func() { cancel(c.listen(ctx)) }()
	go c.awaitCaches(ctx, target.GetCache(), live)
	if err := c.clusters.OnConnect(ctx, c.key, target); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("watch: %w", err)
	}
	if err := target.Start(ctx); err != nil {
		return fmt.Errorf("run caches: %w", err)
	}
	return context.Cause(ctx)
}

// awaitCaches makes a Tenant as soon as the caches are filled. An API that answers
// and does not fill them is as good as none, also to who has not asked it before.
func (c *connection) awaitCaches(ctx context.Context, caches cache.Cache, live client.Client) {
	soon, cancel := context.WithTimeout(ctx, unservedAfter)
	filled := caches.WaitForCacheSync(soon)
	cancel()
	if !filled {
		c.setState(ctx, nil, notServed)
		filled = caches.WaitForCacheSync(ctx)
	}
	if filled {
		c.setState(ctx, NewTenant(caches, live), nil)
	}
}

func (c *connection) cluster() (cluster.Cluster, error) {
	target, err := cluster.New(c.config, func(o *cluster.Options) {
		o.Scheme = c.clusters.Scheme
		o.HTTPClient = c.httpClient
		o.MapperProvider = func(*rest.Config, *http.Client) (meta.RESTMapper, error) { return c.clusters.Mapper, nil }
		o.Cache = c.clusters.Cache
		o.Cache.ReaderFailOnMissingInformer = true
		o.Cache.NewInformer = c.newInformer
	})
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return target, nil
}

// listen returns when the API does not answer any more. No watch shows that: one
// to a server that has vanished just stays silent.
func (c *connection) listen(ctx context.Context) error {
	ticker := time.NewTicker(probeInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		if c.prober.probe(ctx) == nil {
			continue
		}
		if err := c.prober.probe(ctx); err != nil {
			return err
		}
	}
}

func unreachable(err error) *NotConnectedError {
	return &NotConnectedError{Reason: ReasonUnreachable, Message: "the tenant's API server does not answer: " + plainCause(err)}
}

// plainCause says what was wrong, in none of the tenant's words.
func plainCause(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.As(err, new(*notReadyError)):
		return "it says that it is not ready"
	default:
		return "the connection failed"
	}
}
