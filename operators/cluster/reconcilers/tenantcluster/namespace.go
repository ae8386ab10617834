package tenantcluster

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/children"
	"slipway.dev/operators/cluster/observed"
)

// ensureNamespace creates the hosted namespace. A namespace of that name that
// belongs to somebody else is a conflict, which the returned text explains.
func (r *Reconciler) ensureNamespace(ctx context.Context, cluster *v1alpha1.TenantCluster) (namespace *corev1.Namespace, conflict string, err error) {
	id := observed.IdentityOf(cluster)
	name := id.HostedNamespace()
	namespace = &corev1.Namespace{}
	err = r.client.Get(ctx, client.ObjectKey{Name: name}, namespace)
	if apierrors.IsNotFound(err) {
		wanted := children.Namespace(cluster)
		namespace = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: wanted.Labels, Annotations: wanted.Annotations}}
		// Creating, and not applying, so that a foreign namespace is not taken over.
		if err = r.client.Create(ctx, namespace, owner); apierrors.IsAlreadyExists(err) {
			err = r.reader.Live.Get(ctx, client.ObjectKey{Name: name}, namespace)
		}
	}
	if err != nil {
		return nil, "", fmt.Errorf("make namespace %s: %w", name, err)
	}
	switch {
	case !id.Owns(namespace) && v1alpha1.IsHostedNamespace(namespace):
		return nil, fmt.Sprintf("Namespace %s belongs to a TenantCluster of the same name that is gone; the TenantCluster continues when it is removed", name), nil
	case !id.Owns(namespace):
		return nil, fmt.Sprintf("Namespace %s exists and belongs to something else; delete it, or choose another name for the TenantCluster", name), nil
	case namespace.DeletionTimestamp != nil:
		return nil, fmt.Sprintf("Namespace %s is being deleted; the TenantCluster continues when it is gone", name), nil
	}
	return namespace, "", nil
}
