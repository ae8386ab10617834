package tenantapi

import (
	"context"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
)

func TestWhatIsKeptIsSmall(t *testing.T) {
	long := strings.Repeat("x", maxKept)
	list := &corev1.NodeList{}
	c := &counter{max: 10, tooMany: func(bool) {}, serves: func(bool) {}, source: &toolscache.ListWatch{
		ListWithContextFunc: func(context.Context, metav1.ListOptions) (runtime.Object, error) { return list.DeepCopy(), nil },
	}}
	c.reset()
	informer := trimmed{SharedIndexInformer: toolscache.NewSharedIndexInformer(nil, &corev1.Node{}, 0, nil), counter: c}
	err := informer.SetTransform(func(o any) (any, error) {
		return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: o.(*corev1.Node).Name}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		node corev1.Node
		want bool
	}{
		"what is not kept is long": {corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}, Spec: corev1.NodeSpec{ProviderID: long}}, true},
		"the name is long":         {corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: long}}, false},
	} {
		list.Items = []corev1.Node{test.node}
		page, err := c.list(t.Context(), metav1.ListOptions{})
		if (err == nil) != test.want {
			t.Fatalf("%s: list: %v", name, err)
		}
		if err == nil && page.(*corev1.NodeList).Items[0].Spec.ProviderID != "" {
			t.Errorf("%s: a page is kept whole until the last has come", name)
		}
		event, _ := c.count(watch.Event{Type: watch.Added, Object: &test.node})
		if (event.Type == watch.Added) != test.want {
			t.Errorf("%s: event %s %v", name, event.Type, event.Object)
		}
	}
}
