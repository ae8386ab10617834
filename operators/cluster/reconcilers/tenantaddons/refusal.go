package tenantaddons

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/kit/tenantapi"
)

// refused makes err one that says which add-on a tenant did not take.
func refused(ctx context.Context, c client.Client, object runtime.ApplyConfiguration, err error) error {
	described, invalid := metadataOf(object)
	if invalid != nil {
		return errors.Join(err, invalid)
	}
	plural, _ := meta.UnsafeGuessKindToResource(described.GroupVersionKind())
	write := tenantapi.Write{
		Object: described.Kind + " " + described.Name, Resource: plural.GroupResource(), Namespace: described.Namespace,
	}
	return write.Refused(ctx, c, err)
}
