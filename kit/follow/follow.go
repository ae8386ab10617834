// Package follow waits for objects by watching them.
package follow

import (
	"context"
	"fmt"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Object watches one object, of which object has kind, namespace and name, until
// done says so of it. It returns the object as it was seen last, also with an
// error. event distinguishes an object that exists from one that was deleted.
func Object[T client.Object](ctx context.Context, c client.WithWatch, object T, done func(event watch.EventType, current T) (bool, error)) (last T, err error) {
	named := client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("metadata.name", object.GetName())}
	source, err := source(c, object, client.InNamespace(object.GetNamespace()), named)
	if err != nil {
		return last, err
	}
	_, err = watchtools.UntilWithSync(ctx, source, object, nil, func(event watch.Event) (bool, error) {
		current, ok := event.Object.(T)
		if !ok {
			return false, nil
		}
		last = current
		return done(event.Type, current)
	})
	if err != nil {
		return last, fmt.Errorf("follow %T %s: %w", object, object.GetName(), err)
	}
	return last, nil
}

// All watches the objects of example's kind that match the options until done
// says so of all of them together, and returns them as they were seen last.
func All[T client.Object](ctx context.Context, c client.WithWatch, example T, done func([]T) bool, options ...client.ListOption) ([]T, error) {
	source, err := source(c, example, options...)
	if err != nil {
		return nil, err
	}
	seen := map[client.ObjectKey]T{}
	all := func() []T { return slices.Collect(maps.Values(seen)) }
	initial := func(store cache.Store) (bool, error) {
		for _, item := range store.List() {
			object := item.(T)
			seen[client.ObjectKeyFromObject(object)] = object
		}
		return done(all()), nil
	}
	_, err = watchtools.UntilWithSync(ctx, source, example, initial, func(event watch.Event) (bool, error) {
		object, ok := event.Object.(T)
		if !ok {
			return false, nil
		}
		if event.Type == watch.Deleted {
			delete(seen, client.ObjectKeyFromObject(object))
		} else {
			seen[client.ObjectKeyFromObject(object)] = object
		}
		return done(all()), nil
	})
	if err != nil {
		return all(), fmt.Errorf("follow objects like %T: %w", example, err)
	}
	return all(), nil
}

// source lists and watches the objects of example's kind.
func source(c client.WithWatch, example client.Object, options ...client.ListOption) (*cache.ListWatch, error) {
	kind, err := c.GroupVersionKindFor(example)
	if err != nil {
		return nil, fmt.Errorf("find kind of %T: %w", example, err)
	}
	kind.Kind += "List"
	var empty client.ObjectList = &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": kind.GroupVersion().String(), "kind": kind.Kind}}
	if _, dynamic := example.(runtime.Unstructured); !dynamic {
		object, err := c.Scheme().New(kind)
		if err != nil {
			return nil, fmt.Errorf("find list of %T: %w", example, err)
		}
		empty = object.(client.ObjectList)
	}
	list := func() client.ObjectList { return empty.DeepCopyObject().(client.ObjectList) }
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			result := list()
			err := c.List(ctx, result, append(slices.Clone(options), &client.ListOptions{Raw: &o})...)
			return result, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return c.Watch(ctx, list(), append(slices.Clone(options), &client.ListOptions{Raw: &o})...)
		},
	}, nil
}
