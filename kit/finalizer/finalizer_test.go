package finalizer_test

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/kit/finalizer"
	"slipway.dev/kit/testenv"
)

const (
	mine  = "example.com/mine"
	other = "example.com/other"
)

func TestFinalizers(t *testing.T) {
	config := testenv.Start(t)
	writes := testenv.CountWrites(config)
	c := testenv.Client(t, config, testenv.Scheme(t, corev1.AddToScheme))
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "f", Finalizers: []string{other}}}
	if err := c.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	before := object.DeepCopy()
	want := func(finalizers ...string) {
		t.Helper()
		read := &corev1.ConfigMap{}
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(object), read); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(read.Finalizers, finalizers) {
			t.Errorf("finalizers %q, want %q", read.Finalizers, finalizers)
		}
	}

	writes.Store(0)
	for range 2 {
		if err := finalizer.Ensure(t.Context(), c, object, mine); err != nil {
			t.Fatal(err)
		}
	}
	if got := writes.Load(); got != 1 {
		t.Errorf("%d writes to add a finalizer, want 1", got)
	}
	want(other, mine)
	if err := finalizer.Ensure(t.Context(), c, before.DeepCopy(), "example.com/third"); !apierrors.IsConflict(err) {
		t.Errorf("added to an object that has changed since it was read: %v", err)
	}
	if err := finalizer.Remove(t.Context(), c, before.DeepCopy(), other); !apierrors.IsConflict(err) {
		t.Errorf("removed from an object that has changed since it was read: %v", err)
	}
	want(other, mine)

	writes.Store(0)
	for range 2 {
		if err := finalizer.Remove(t.Context(), c, object, mine); err != nil {
			t.Fatal(err)
		}
	}
	if got := writes.Load(); got != 1 {
		t.Errorf("%d writes to remove a finalizer, want 1", got)
	}
	want(other)

	if err := finalizer.Remove(t.Context(), c, object, other); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	if err := finalizer.Remove(t.Context(), c, before, other); err != nil {
		t.Errorf("removed from an object that is gone: %v", err)
	}
}
