package follow_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/kit/follow"
	"slipway.dev/kit/testenv"
)

func configMap(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, Labels: map[string]string{"of": "test"}}}
}

func TestFollow(t *testing.T) {
	ctrl.SetLogger(logr.Discard())
	c := testenv.Client(t, testenv.Start(t), testenv.Scheme(t, corev1.AddToScheme))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	change := func(object client.Object, do func(client.Object) error) {
		if err := do(object); err != nil {
			t.Error(err)
		}
	}
	create := func(o client.Object) error { return c.Create(ctx, o) }
	remove := func(o client.Object) error { return c.Delete(ctx, o) }

	t.Run("one object from before it is there until it is gone", func(t *testing.T) {
		var events []watch.EventType
		go change(configMap("one"), create)
		last, err := follow.Object(ctx, c, configMap("one"), func(event watch.EventType, current *corev1.ConfigMap) (bool, error) {
			events = append(events, event)
			if event == watch.Added {
				go change(current.DeepCopy(), remove)
			}
			return event == watch.Deleted, nil
		})
		if err != nil || last.Name != "one" || len(events) != 2 {
			t.Errorf("saw %v of %v and then %v, want that it comes and goes", events, last, err)
		}
	})

	t.Run("an error ends it", func(t *testing.T) {
		go change(configMap("two"), create)
		broken := errors.New("broken")
		last, err := follow.Object(ctx, c, configMap("two"), func(watch.EventType, *corev1.ConfigMap) (bool, error) { return false, broken })
		if !errors.Is(err, broken) || last == nil {
			t.Errorf("%v with %v, want the error and the object", err, last)
		}
	})

	t.Run("all that match", func(t *testing.T) {
		go change(configMap("three"), create)
		ours := client.MatchingLabels{"of": "test"}
		found, err := follow.All(ctx, c, &corev1.ConfigMap{}, func(all []*corev1.ConfigMap) bool { return len(all) == 2 }, client.InNamespace("default"), ours)
		if err != nil || len(found) != 2 {
			t.Errorf("%d objects and %v, want two", len(found), err)
		}
		go change(configMap("three"), remove)
		found, err = follow.All(ctx, c, &corev1.ConfigMap{}, func(all []*corev1.ConfigMap) bool { return len(all) == 1 }, client.InNamespace("default"), ours)
		if err != nil || len(found) != 1 || found[0].Name != "two" {
			t.Errorf("%v and %v, want the one that is left", found, err)
		}
	})
}
