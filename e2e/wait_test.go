package e2e

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/kit/follow"
)

// story bounds one wait. A wait that takes this long has failed.
const story = 6 * time.Minute

// awaitObject watches one object, of which object has kind and name, until done says so and gives it as it is then.
func awaitObject[T client.Object](t *testing.T, c client.WithWatch, object T, what string, done func(T) bool) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), story)
	defer cancel()
	last, err := follow.Object(ctx, c, object, func(event watch.EventType, current T) (bool, error) {
		return event != watch.Deleted && done(current), nil
	})
	if err != nil {
		t.Fatalf("%s: %v; last seen: %s", what, err, describe(last))
	}
	return last
}

// awaitObjects watches the objects of a kind that match until done says so of all of them together.
func awaitObjects[T client.Object](t *testing.T, c client.WithWatch, example T, what string, done func([]T) bool, options ...client.ListOption) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), story)
	defer cancel()
	seen, err := follow.All(ctx, c, example, done, options...)
	if err != nil {
		var names []string
		for _, object := range seen {
			names = append(names, object.GetName())
		}
		t.Fatalf("%s: %v; last seen: %v", what, err, names)
	}
}

// awaitNone watches a kind until no object that matches is left.
func awaitNone[T client.Object](t *testing.T, c client.WithWatch, example T, what string, options ...client.ListOption) {
	t.Helper()
	awaitObjects(t, c, example, what, func(left []T) bool { return len(left) == 0 }, options...)
}

// poll asks for what cannot be watched until there is no error.
func poll(t *testing.T, what string, ask func() error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), time.Second, story, true, func(context.Context) (bool, error) {
		last = ask()
		return last == nil, nil
	})
	if err != nil {
		t.Fatalf("%s: %v, last %v", what, err, last)
	}
}

// describe is what a failed wait prints of the last object it saw.
func describe(object client.Object) string {
	if object == nil || reflect.ValueOf(object).IsNil() {
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
