package tenantapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
)

// DefaultMaxObjects is more than the largest tenant has: twelve pools of a
// hundred workers.
const DefaultMaxObjects = 2000

// beginWithin is how long a watch may take to send all existing objects. One that
// has not done so by then is restarted: the server may not be the one that answers
// probes.
const beginWithin = 30 * time.Second

func (c *Clusters) maxObjects() int {
	if c.MaxObjects > 0 {
		return c.MaxObjects
	}
	return DefaultMaxObjects
}

// newInformer makes an informer that does not take in more objects than allowed.
func (c *connection) newInformer(lw toolscache.ListerWatcher, example runtime.Object, resync time.Duration, indexers toolscache.Indexers) toolscache.SharedIndexInformer {
	kind := c.kindOf(example)
	counter := &counter{
		source: toolscache.ToListerWatcherWithContext(lw), max: c.clusters.maxObjects(),
		tooMany: func(tooMany bool) { c.hasTooMany(kind, tooMany) },
		serves:  func(ok bool) { c.serves(kind, ok) },
	}
	informer := toolscache.NewSharedIndexInformer(&toolscache.ListWatch{
		ListWithContextFunc: counter.list, WatchFuncWithContext: counter.watch,
	}, example, resync, indexers)
	return trimmed{SharedIndexInformer: informer, counter: counter}
}

func (c *connection) kindOf(example runtime.Object) string {
	if kind := example.GetObjectKind().GroupVersionKind().Kind; kind != "" {
		return kind // one that is known by its metadata alone
	}
	if kinds, _, err := c.clusters.Scheme.ObjectKinds(example); err == nil {
		return kinds[0].Kind
	}
	return fmt.Sprintf("%T", example)
}

// counter counts the objects that a reflector has been given, and ends its
// list or its watch when there are too many. The reflector starts again after
// its usual back-off.
type counter struct {
	source  toolscache.ListerWatcherWithContext
	max     int
	tooMany func(bool)
	serves  func(bool)
	// transform is the informer's; nil when it keeps objects whole.
	transform toolscache.TransformFunc

	mu sync.Mutex
	// known has keys as those of the store: a UID is what the tenant says it is.
	known sets.Set[types.NamespacedName]
}

func (c *counter) list(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
	// With a version, also "0", an API server answers with all objects at once.
	options.Limit, options.ResourceVersion = pageSize, ""
	page, err := c.source.ListWithContext(ctx, options)
	if ctx.Err() == nil {
		c.serves(err == nil)
	}
	if err != nil {
		return nil, err
	}
	if options.Continue == "" {
		c.reset()
	}
	if err := c.trimPage(page); err != nil {
		return nil, err
	}
	if err := meta.EachListItem(page, func(object runtime.Object) error { return c.add(object) }); err != nil {
		return nil, err
	}
	if list, err := meta.ListAccessor(page); err == nil && list.GetContinue() == "" {
		c.tooMany(false)
	}
	return page, nil
}

// trimPage leaves of a page what is kept: a reflector holds all pages of a list
// until the last has come.
func (c *counter) trimPage(page runtime.Object) error {
	objects, err := meta.ExtractList(page)
	if err != nil {
		return err
	}
	for i := range objects {
		if objects[i], err = c.trim(objects[i]); err != nil {
			return err
		}
	}
	return meta.SetList(page, objects)
}

func (c *counter) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = sets.New[types.NamespacedName]()
}

func (c *counter) add(object runtime.Object) error {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return err
	}
	c.mu.Lock()
	exceeded := c.known.Insert(keyOf(accessor)).Len() > c.max
	c.mu.Unlock()
	if !exceeded {
		return nil
	}
	c.tooMany(true)
	return fmt.Errorf("more than %d objects", c.max)
}

func keyOf(object metav1.Object) types.NamespacedName {
	return types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetName()}
}

func (c *counter) remove(object runtime.Object) {
	if accessor, err := meta.Accessor(object); err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.known.Delete(keyOf(accessor))
	}
}

func (c *counter) watch(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	source, err := c.source.WatchWithContext(ctx, options)
	initial := options.SendInitialEvents != nil && *options.SendInitialEvents
	if ctx.Err() == nil {
		// One that begins with all objects has served them when it says that it has.
		c.serves(err == nil && !initial)
	}
	if err != nil {
		return nil, err
	}
	if !initial {
		return watch.Filter(source, c.count), nil
	}
	c.reset()
	late := time.AfterFunc(beginWithin, source.Stop)
	return watch.Filter(source, func(event watch.Event) (watch.Event, bool) {
		if allServed(event) {
			late.Stop()
		}
		return c.count(event)
	}), nil
}

// allServed is true of the event after those of all objects that there are.
func allServed(event watch.Event) bool {
	accessor, err := meta.Accessor(event.Object)
	return event.Type == watch.Bookmark && err == nil && accessor.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true"
}

// count lets an event pass, or makes it one that ends the watch.
func (c *counter) count(event watch.Event) (watch.Event, bool) {
	switch event.Type {
	case watch.Added, watch.Modified:
		object, err := c.trim(event.Object)
		if err == nil {
			err = c.add(object)
		}
		event.Object = object
		if err != nil {
			status := metav1.Status{Status: metav1.StatusFailure, Code: http.StatusRequestEntityTooLarge, Reason: metav1.StatusReasonRequestEntityTooLarge, Message: err.Error()}
			return watch.Event{Type: watch.Error, Object: &status}, true
		}
	case watch.Deleted:
		c.remove(event.Object)
	case watch.Bookmark:
		if allServed(event) {
			c.tooMany(false)
			c.serves(true)
		}
	case watch.Error:
		// A reflector would try such a watch again without a list, for ever.
		if apierrors.IsTooManyRequests(apierrors.FromObject(event.Object)) {
			return watch.Event{Type: watch.Error, Object: &apierrors.NewInternalError(errors.New("too many requests")).ErrStatus}, true
		}
	}
	return event, true
}
