package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// story bounds one wait. A wait that takes this long has failed.
const story = 6 * time.Minute

// listWatch lists and watches the kind of list with the options.
func listWatch(c client.WithWatch, list client.ObjectList, options ...client.ListOption) *cache.ListWatch {
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			result := list.DeepCopyObject().(client.ObjectList)
			err := c.List(ctx, result, append(options, &client.ListOptions{Raw: &o})...)
			return result, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return c.Watch(ctx, list.DeepCopyObject().(client.ObjectList), append(options, &client.ListOptions{Raw: &o})...)
		},
	}
}

// awaitObject watches one object until done says so and gives it as it is then.
func awaitObject[T client.Object](t *testing.T, c client.WithWatch, key client.ObjectKey, list client.ObjectList, object T, what string, done func(T) bool) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), story)
	defer cancel()
	var last T
	lw := listWatch(c, list, client.InNamespace(key.Namespace),
		client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("metadata.name", key.Name)})
	_, err := watchtools.UntilWithSync(ctx, lw, object, nil, func(event watch.Event) (bool, error) {
		current, ok := event.Object.(T)
		if !ok || event.Type == watch.Deleted {
			return false, nil
		}
		last = current
		return done(current), nil
	})
	if err != nil {
		t.Fatalf("%s: %v; last seen: %s", what, err, describe(last))
	}
	return last
}

// awaitObjects watches the objects of a kind that match until done says so of all of them together.
func awaitObjects[T client.Object](t *testing.T, c client.WithWatch, list client.ObjectList, object T, what string, done func([]T) bool, options ...client.ListOption) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), story)
	defer cancel()
	seen := map[client.ObjectKey]T{}
	check := func() (bool, error) { return done(slices.Collect(maps.Values(seen))), nil }
	initial := func(store cache.Store) (bool, error) {
		for _, item := range store.List() {
			o := item.(T)
			seen[client.ObjectKeyFromObject(o)] = o
		}
		return check()
	}
	_, err := watchtools.UntilWithSync(ctx, listWatch(c, list, options...), object, initial, func(event watch.Event) (bool, error) {
		o, ok := event.Object.(T)
		if !ok {
			return false, nil
		}
		if event.Type == watch.Deleted {
			delete(seen, client.ObjectKeyFromObject(o))
		} else {
			seen[client.ObjectKeyFromObject(o)] = o
		}
		return check()
	})
	if err != nil {
		t.Fatalf("%s: %v; last seen: %v", what, err, slices.Collect(maps.Keys(seen)))
	}
}

// awaitNone watches a kind until no object that matches is left.
func awaitNone[T client.Object](t *testing.T, c client.WithWatch, list client.ObjectList, object T, what string, options ...client.ListOption) {
	t.Helper()
	awaitObjects(t, c, list, object, what, func(left []T) bool { return len(left) == 0 }, options...)
}

// describe is what a failed wait prints of the last object it saw.
func describe(object client.Object) string {
	if object == nil {
		return "nothing"
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(content["status"])
}

func isTrue(conditions []metav1.Condition, conditionType string, generation int64) bool {
	c := meta.FindStatusCondition(conditions, conditionType)
	return c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration == generation
}
