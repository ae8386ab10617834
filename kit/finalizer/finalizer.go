// Package finalizer adds and removes finalizers.
package finalizer

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

// Ensure adds a finalizer to an object that has none of that name; it comes
// before the first thing that would be left behind. The optimistic lock keeps it
// from overwriting a finalizer that another adds at the same time.
func Ensure(ctx context.Context, c client.Client, object client.Object, name string) error {
	before := object.DeepCopyObject().(client.Object)
	if !controllerutil.AddFinalizer(object, name) {
		return nil
	}
	if err := c.Patch(ctx, object, lock(before)); err != nil {
		return fmt.Errorf("add finalizer %s to %s: %w", name, object.GetName(), err)
	}
	return nil
}

// Remove lets an object go. One that is gone already is no error.
func Remove(ctx context.Context, c client.Client, object client.Object, name string) error {
	before := object.DeepCopyObject().(client.Object)
	if !controllerutil.RemoveFinalizer(object, name) {
		return nil
	}
	if err := c.Patch(ctx, object, lock(before)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("remove finalizer %s from %s: %w", name, object.GetName(), err)
	}
	return nil
}

func lock(before client.Object) client.Patch {
	return client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
}
