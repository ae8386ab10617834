// Package finalizer adds and removes finalizers.
package finalizer

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

// Ensure adds a finalizer to an object that has none of that name; it comes
// before the first thing that would be left behind. It is applied, and by an owner
// of that name, so that it conflicts with nobody who writes at the same time:
// finalizers are a set, and what others have put into it stays. What was decided
// on the object may be written on its new version, unless its spec was changed
// meanwhile.
func Ensure(ctx context.Context, c client.Client, object client.Object, name string) error {
	if controllerutil.ContainsFinalizer(object, name) {
		return nil
	}
	kind, err := c.GroupVersionKindFor(object)
	if err != nil {
		return fmt.Errorf("kind of %T: %w", object, err)
	}
	applied := &unstructured.Unstructured{}
	applied.SetGroupVersionKind(kind)
	applied.SetNamespace(object.GetNamespace())
	applied.SetName(object.GetName())
	// Otherwise an object that is gone would be created again.
	applied.SetUID(object.GetUID())
	applied.SetFinalizers([]string{name})
	if err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(applied), client.FieldOwner(name)); err != nil {
		return fmt.Errorf("add finalizer %s to %s: %w", name, object.GetName(), err)
	}
	controllerutil.AddFinalizer(object, name)
	if applied.GetGeneration() == object.GetGeneration() {
		object.SetResourceVersion(applied.GetResourceVersion())
	}
	return nil
}

// Remove lets an object go. One that is gone already is no error. The optimistic
// lock keeps it from removing a finalizer that another adds at the same time.
func Remove(ctx context.Context, c client.Client, object client.Object, name string) error {
	before := object.DeepCopyObject().(client.Object)
	if !controllerutil.RemoveFinalizer(object, name) {
		return nil
	}
	locked := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := c.Patch(ctx, object, locked); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("remove finalizer %s from %s: %w", name, object.GetName(), err)
	}
	return nil
}
