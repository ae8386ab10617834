// Package apply writes desired objects with server-side apply and removes
// those that are no longer desired.
package apply

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Objects applies each object as owner, taking fields over from others. It
// stops at the first error.
func Objects(ctx context.Context, c client.Client, owner client.FieldOwner, objects ...runtime.ApplyConfiguration) error {
	for _, object := range objects {
		if err := c.Apply(ctx, object, owner, client.ForceOwnership); err != nil {
			return fmt.Errorf("apply %s: %w", describe(object), err)
		}
	}
	return nil
}

// Status applies the status of one object as owner.
func Status(ctx context.Context, c client.Client, owner client.FieldOwner, object runtime.ApplyConfiguration) error {
	if err := c.Status().Apply(ctx, object, owner, client.ForceOwnership); err != nil {
		return fmt.Errorf("apply status of %s: %w", describe(object), err)
	}
	return nil
}

// Resize applies the resources of a running pod as owner. One that is gone is no
// error: its successor has its own.
func Resize(ctx context.Context, c client.Client, owner client.FieldOwner, pod runtime.ApplyConfiguration) error {
	err := c.SubResource("resize").Apply(ctx, pod, owner, client.ForceOwnership)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("resize %s: %w", describe(pod), err)
	}
	return nil
}

// Prune deletes those of the observed objects whose names are not wanted.
func Prune[T client.Object](ctx context.Context, c client.Client, observed []T, wanted sets.Set[string]) error {
	for _, object := range observed {
		if wanted.Has(object.GetName()) || object.GetDeletionTimestamp() != nil {
			continue
		}
		err := c.Delete(ctx, object, client.Preconditions{UID: new(object.GetUID())})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("prune %s: %w", object.GetName(), err)
		}
	}
	return nil
}

type described interface {
	GetKind() *string
	GetName() *string
}

func describe(object runtime.ApplyConfiguration) string {
	d, ok := object.(described)
	if !ok || d.GetKind() == nil || d.GetName() == nil {
		return fmt.Sprintf("%T", object)
	}
	return *d.GetKind() + " " + *d.GetName()
}
