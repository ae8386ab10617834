package tenantapi

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
)

func TestListsAreAskedForInSmallPages(t *testing.T) {
	var asked metav1.ListOptions
	c := &counter{max: 10, tooMany: func(bool) {}, serves: func(bool) {}, source: &toolscache.ListWatch{
		ListWithContextFunc: func(_ context.Context, options metav1.ListOptions) (runtime.Object, error) {
			asked = options
			return &corev1.NodeList{}, nil
		},
	}}
	for _, options := range []metav1.ListOptions{{ResourceVersion: "0", Limit: 500}, {ResourceVersion: "12"}} {
		if _, err := c.list(t.Context(), options); err != nil {
			t.Fatal(err)
		}
		if asked.Limit != pageSize || asked.ResourceVersion != "" {
			t.Errorf("asked for %d objects at version %q, want %d at none", asked.Limit, asked.ResourceVersion, pageSize)
		}
	}
}

// A tenant's server writes the UIDs, and may give all objects the same.
func TestObjectsAreCountedByName(t *testing.T) {
	tooMany := false
	c := &counter{max: 2, tooMany: func(is bool) { tooMany = is }}
	c.reset()
	event := func(kind watch.EventType, name string) watch.EventType {
		counted, _ := c.count(watch.Event{Type: kind, Object: &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, UID: "same"}}})
		return counted.Type
	}
	for _, name := range []string{"a", "b", "a"} {
		if got := event(watch.Added, name); got != watch.Added {
			t.Errorf("%s ends the watch", name)
		}
	}
	event(watch.Deleted, "b")
	if got := event(watch.Added, "c"); got != watch.Added || tooMany {
		t.Error("what is deleted counts")
	}
	if got := event(watch.Added, "d"); got != watch.Error || !tooMany {
		t.Errorf("a third object: %s, too many: %t", got, tooMany)
	}
}

// hear runs a watch of somebody who gives the events, and tells what was noted of
// whether the kind is served.
func hear(t *testing.T, options metav1.ListOptions, failure error, events ...watch.Event) (noted []bool, heard watch.Interface, err error) {
	t.Helper()
	source := watch.NewFakeWithChanSize(len(events), false)
	c := &counter{max: 10, tooMany: func(bool) {}, serves: func(ok bool) { noted = append(noted, ok) }, source: &toolscache.ListWatch{
		WatchFuncWithContext: func(context.Context, metav1.ListOptions) (watch.Interface, error) {
			if failure != nil {
				return nil, failure
			}
			return source, nil
		},
	}}
	heard, err = c.watch(t.Context(), options)
	for _, event := range events {
		source.Action(event.Type, event.Object)
		<-heard.ResultChan()
	}
	return noted, heard, err
}

func TestWatchesAreNoted(t *testing.T) {
	initial := metav1.ListOptions{SendInitialEvents: new(true)}
	all := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{metav1.InitialEventsAnnotationKey: "true"}}}
	refused := apierrors.NewTooManyRequests("no", 1)
	for name, test := range map[string]struct {
		options metav1.ListOptions
		failure error
		events  []watch.Event
		want    []bool
	}{
		"refused":          {failure: refused, want: []bool{false}},
		"goes on":          {want: []bool{true}},
		"begins, silently": {options: initial, want: []bool{false}},
		"begins, complete": {options: initial, events: []watch.Event{{Type: watch.Bookmark, Object: all}}, want: []bool{false, true}},
	} {
		synctest.Test(t, func(t *testing.T) {
			noted, heard, err := hear(t, test.options, test.failure, test.events...)
			if !slices.Equal(noted, test.want) || !errors.Is(err, test.failure) {
				t.Errorf("%s: noted %v and %v, want %v", name, noted, err, test.want)
			}
			if heard != nil {
				heard.Stop()
			}
		})
	}
}

func TestASilentWatchIsMadeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, heard, err := hear(t, metav1.ListOptions{SendInitialEvents: new(true)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, open := <-heard.ResultChan(); open || time.Since(began) != beginWithin {
			t.Errorf("after %s: open %t, want that it ends after %s", time.Since(began), open, beginWithin)
		}
	})
}

// A reflector lists anew after any other error.
func TestARefusalInAWatchEndsIt(t *testing.T) {
	c := &counter{}
	event, _ := c.count(watch.Event{Type: watch.Error, Object: &apierrors.NewTooManyRequests("no", 1).ErrStatus})
	if err := apierrors.FromObject(event.Object); event.Type != watch.Error || apierrors.IsTooManyRequests(err) {
		t.Errorf("the reflector gets %s %v", event.Type, err)
	}
	gone := &apierrors.NewResourceExpired("old").ErrStatus
	if event, _ := c.count(watch.Event{Type: watch.Error, Object: gone}); event.Object != gone {
		t.Errorf("another error becomes %v", event.Object)
	}
}
