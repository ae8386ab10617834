package tenantapi

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
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
