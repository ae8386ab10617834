package tenantapi

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
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
