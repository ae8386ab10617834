package tenantaddons

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
	"slipway.dev/kit/tenantapi"
)

// refused makes err one that says which add-on a tenant did not take.
func refused(ctx context.Context, c client.Client, object runtime.ApplyConfiguration, err error) error {
	described, ok := object.(interface {
		GetAPIVersion() *string
		GetKind() *string
		GetName() *string
		GetNamespace() *string
	})
	if !ok {
		return fmt.Errorf("%T has no kind: %w", object, err)
	}
	plural, _ := meta.UnsafeGuessKindToResource(schema.FromAPIVersionAndKind(*described.GetAPIVersion(), *described.GetKind()))
	write := tenantapi.Write{Object: *described.GetKind() + " " + *described.GetName(), Resource: plural.GroupResource()}
	if namespace := described.GetNamespace(); namespace != nil {
		write.Namespace = *namespace
	}
	return write.Refused(ctx, c, err)
}

func refusal(refused *tenantapi.RefusedError) metav1.Condition {
	reason, message := refused.Explain()
	return conditions.False(v1alpha1.ConditionAddonsReady, reason, message)
}
