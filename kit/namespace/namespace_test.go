package namespace_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"slipway.dev/kit/namespace"
)

func TestGet(t *testing.T) {
	there := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "there", Labels: map[string]string{"a": "b"}}}
	reader := fake.NewClientBuilder().WithObjects(there).Build()
	got, err := namespace.Get(t.Context(), reader, "there")
	if err != nil || got == nil || got.Name != "there" || got.Labels["a"] != "b" {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := namespace.Get(t.Context(), reader, "gone"); err != nil || got != nil {
		t.Errorf("got %+v, %v of a namespace that does not exist", got, err)
	}
	down := interceptor.NewClient(reader, interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return errors.New("connection refused")
		},
	})
	if _, err := namespace.Get(t.Context(), down, "there"); err == nil || !strings.Contains(err.Error(), "Namespace there: connection refused") {
		t.Errorf("error %v, want one that names the Namespace", err)
	}
}
