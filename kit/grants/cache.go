// Package grants reads the Secrets of those namespaces in which the operator has
// been granted that, and of no others: whoever reads Secrets everywhere can do
// everything.
package grants

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

var (
	secretKind     = corev1.SchemeGroupVersion.WithKind("Secret")
	secretListKind = corev1.SchemeGroupVersion.WithKind("SecretList")
	bindingKind    = rbacv1.SchemeGroupVersion.WithKind("RoleBinding")
)

// NewCache makes the caches of managers that keep Secrets only of namespaces
// with a RoleBinding of that name to one of the ClusterRoles. Which Secrets of
// those, and what of them, is in the options, like all else. A read in another
// namespace ends with ErrNotGranted.
func NewCache(binding string, clusterRoles ...string) cache.NewCacheFunc {
	return func(config *rest.Config, options cache.Options) (cache.Cache, error) {
		if options.Scheme == nil || options.Mapper == nil || options.HTTPClient == nil {
			return nil, errors.New("a cache of granted Secrets needs scheme, mapper and HTTP client, as a manager has them")
		}
		live, err := client.New(config, client.Options{HTTPClient: options.HTTPClient, Scheme: options.Scheme, Mapper: options.Mapper})
		if err != nil {
			return nil, fmt.Errorf("make client: %w", err)
		}
		everywhere, secrets, err := split(options, binding)
		if err != nil {
			return nil, err
		}
		c := &grantedCache{
			binding: binding, roles: clusterRoles, live: live,
			open: func(namespace string) (cache.Cache, error) {
				secrets := secrets
				secrets.DefaultNamespaces = map[string]cache.Config{namespace: {}}
				return cache.New(config, secrets)
			},
			namespaces: map[string]*namespace{}, changed: make(chan struct{}),
		}
		c.Cache, err = cache.New(config, everywhere)
		return c, err
	}
}

// split divides options into those for what is read everywhere and those for
// the Secrets of one namespace.
func split(options cache.Options, binding string) (everywhere, secrets cache.Options, err error) {
	everywhere, secrets = options, options
	everywhere.ByObject, secrets.ByObject = map[client.Object]cache.ByObject{}, map[client.Object]cache.ByObject{}
	maps.Copy(everywhere.ByObject, options.ByObject)
	bindings := false
	for object, kept := range options.ByObject {
		kind, err := apiutil.GVKForObject(object, options.Scheme)
		if err != nil {
			return everywhere, secrets, fmt.Errorf("kind of %T: %w", object, err)
		}
		bindings = bindings || kind == bindingKind
		if kind == secretKind {
			delete(everywhere.ByObject, object)
			secrets.ByObject[object] = kept
		}
	}
	if !bindings {
		// So the right to read RoleBindings can be limited to the name, too.
		everywhere.ByObject[&rbacv1.RoleBinding{}] = cache.ByObject{
			Field: fields.OneTermEqualSelector("metadata.name", binding), Transform: OnlyRole,
		}
	}
	return everywhere, secrets, nil
}

// OnlyRole is the transform of a cache that keeps of a RoleBinding which role it
// binds, and of any other object all. Whoever may write RoleBindings in some
// namespace may give one any number of subjects.
func OnlyRole(object any) (any, error) {
	binding, ok := object.(*rbacv1.RoleBinding)
	if !ok {
		return object, nil
	}
	return &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: binding.Namespace, Name: binding.Name, UID: binding.UID, ResourceVersion: binding.ResourceVersion,
		},
		RoleRef: binding.RoleRef,
	}, nil
}

// grantedCache has a cache of its own for the Secrets of each namespace, and the
// embedded one for everything else.
type grantedCache struct {
	cache.Cache

	binding string
	roles   []string
	live    client.Client
	open    func(namespace string) (cache.Cache, error)

	mu         sync.Mutex
	namespaces map[string]*namespace
	handlers   []*handler
	// changed is closed, and another one made, when a namespace comes.
	changed chan struct{}
}

// Start keeps the caches until ctx ends.
func (c *grantedCache) Start(ctx context.Context) error {
	informer, err := c.bindings(ctx)
	if err != nil {
		return err
	}
	if _, err := informer.AddEventHandler(c.follow(ctx)); err != nil {
		return fmt.Errorf("watch RoleBindings: %w", err)
	}
	return c.Cache.Start(ctx)
}

func (c *grantedCache) bindings(ctx context.Context) (cache.Informer, error) {
	informer, err := c.Cache.GetInformer(ctx, &rbacv1.RoleBinding{}, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, fmt.Errorf("watch RoleBindings: %w", err)
	}
	return informer, nil
}

func (c *grantedCache) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	reader, err := c.reader(ctx, object, key.Namespace)
	if err != nil {
		return err
	}
	return reader.Get(ctx, key, object, options...)
}

// List lists Secrets in one namespace only.
func (c *grantedCache) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	var asked client.ListOptions
	asked.ApplyOptions(options)
	reader, err := c.reader(ctx, list, asked.Namespace)
	if err != nil {
		return err
	}
	return reader.List(ctx, list, options...)
}

// reader is the cache that has an object, or a list.
func (c *grantedCache) reader(ctx context.Context, object runtime.Object, namespace string) (client.Reader, error) {
	secret, err := c.isSecret(object)
	if err != nil || !secret {
		return c.Cache, err
	}
	return c.secrets(ctx, namespace)
}

func (c *grantedCache) isSecret(object runtime.Object) (bool, error) {
	kind, err := apiutil.GVKForObject(object, c.live.Scheme())
	if err != nil {
		return false, fmt.Errorf("kind of %T: %w", object, err)
	}
	return kind == secretKind || kind == secretListKind, nil
}

// GetInformer returns one that reports the Secrets of all namespaces that are
// granted, now and later. A Secret whose namespace is no longer granted is not
// deleted: nothing is told of it any more.
func (c *grantedCache) GetInformer(ctx context.Context, object client.Object, options ...cache.InformerGetOption) (cache.Informer, error) {
	secret, err := c.isSecret(object)
	if err != nil {
		return nil, err
	}
	if !secret {
		return c.Cache.GetInformer(ctx, object, options...)
	}
	bindings, err := c.bindings(ctx)
	if err != nil {
		return nil, err
	}
	return &informer{Informer: bindings, cache: c, object: object}, nil
}

// IndexField knows no indices of Secrets.
func (c *grantedCache) IndexField(ctx context.Context, object client.Object, field string, extract client.IndexerFunc) error {
	secret, err := c.isSecret(object)
	if err != nil {
		return err
	}
	if secret {
		return errors.New("no index of Secrets that are read by grant: list those of a namespace")
	}
	return c.Cache.IndexField(ctx, object, field, extract)
}

// grants reports whether a RoleBinding is the one that the operator reads by. A
// team that may make RoleBindings can make one of that name, but none to a
// ClusterRole with rights that it does not have itself.
func (c *grantedCache) grants(binding *rbacv1.RoleBinding) bool {
	return binding.Name == c.binding && binding.RoleRef.Kind == "ClusterRole" && slices.Contains(c.roles, binding.RoleRef.Name)
}
