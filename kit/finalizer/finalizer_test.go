package finalizer_test

import (
	"slices"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/kit/finalizer"
	"slipway.dev/kit/testenv"
)

const (
	mine  = "example.com/mine"
	other = "example.com/other"
	third = "example.com/third"
)

func TestFinalizers(t *testing.T) {
	config := testenv.Start(t, testenv.SlipwayCRDs(2))
	writes := testenv.CountWrites(config)
	c := testenv.Client(t, config, testenv.Scheme(t, corev1.AddToScheme))
	custom := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "slipway.dev/v1alpha1", "kind": "TenantDNS", "spec": map[string]any{"tenantName": "a", "tenantNamespace": "b"},
	}}
	for what, object := range map[string]client.Object{"built-in kind": &corev1.ConfigMap{}, "custom resource": custom} {
		t.Run(what, func(t *testing.T) {
			object.SetNamespace("default")
			object.SetName("f")
			object.SetFinalizers([]string{other})
			testFinalizers(t, c, object, writes)
		})
	}
}

func testFinalizers(t *testing.T, c client.Client, object client.Object, writes *atomic.Int64) {
	if err := c.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	before := object.DeepCopyObject().(client.Object)
	want := func(finalizers ...string) {
		t.Helper()
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(object.GetFinalizers(), finalizers) {
			t.Errorf("finalizers %q, want %q", object.GetFinalizers(), finalizers)
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
	version := object.GetResourceVersion()
	if want(other, mine); object.GetResourceVersion() != version {
		t.Errorf("resourceVersion %s after it was added, want %s", version, object.GetResourceVersion())
	}
	if err := finalizer.Ensure(t.Context(), c, before.DeepCopyObject().(client.Object), third); err != nil {
		t.Errorf("added to an object that has changed since it was read: %v", err)
	}
	want(other, mine, third)
	if err := finalizer.Remove(t.Context(), c, before.DeepCopyObject().(client.Object), other); !apierrors.IsConflict(err) {
		t.Errorf("removed from an object that has changed since it was read: %v", err)
	}
	want(other, mine, third)

	writes.Store(0)
	for range 2 {
		if err := finalizer.Remove(t.Context(), c, object, mine); err != nil {
			t.Fatal(err)
		}
	}
	if got := writes.Load(); got != 1 {
		t.Errorf("%d writes to remove a finalizer, want 1", got)
	}
	want(other, third)
	for _, name := range []string{other, third} {
		if err := finalizer.Remove(t.Context(), c, object, name); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Delete(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	if err := finalizer.Remove(t.Context(), c, before, other); err != nil {
		t.Errorf("removed from an object that is gone: %v", err)
	}
	if err := finalizer.Ensure(t.Context(), c, before, mine); err == nil {
		t.Error("added to an object that is gone")
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(object), object); !apierrors.IsNotFound(err) {
		t.Errorf("the object that was gone: %v", err)
	}
}
