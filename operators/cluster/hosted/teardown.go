package hosted

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/deletion"
	"slipway.dev/operators/cluster/observed"
)

// Teardown removes what there is of tenants.
type Teardown struct {
	client client.Client
	reader Reader
	grants Grants
}

// NewTeardown makes one that removes through c what it reads through reader.
func NewTeardown(c client.Client, reader Reader, grants Grants) Teardown {
	return Teardown{client: c, reader: reader, grants: grants}
}

// Continue does what can be done now to remove a tenant, and says what is left.
func (t Teardown) Continue(ctx context.Context, id observed.Identity, history deletion.History, now time.Time) (deletion.Decision, error) {
	namespace, err := t.reader.ownNamespace(ctx, id)
	if err != nil {
		return deletion.Decision{}, err
	}
	stages, err := t.reader.stages(ctx, id, namespace)
	if err != nil {
		return deletion.Decision{}, err
	}
	decision := deletion.Decide(stages, history, now)
	if len(decision.Delete) > 0 && namespace != nil && namespace.DeletionTimestamp == nil {
		// Somebody may have removed what allows to remove.
		if _, err := t.grants.Hosted(ctx, namespace.Name); err != nil {
			return deletion.Decision{}, err
		}
	}
	for _, object := range decision.Delete {
		if err := Remove(ctx, t.client, object.Kind, object.Object); err != nil {
			return deletion.Decision{}, err
		}
	}
	return decision, nil
}

func (r Reader) stages(ctx context.Context, id observed.Identity, namespace *corev1.Namespace) ([]deletion.Stage, error) {
	identifiers, err := r.networkIDs(ctx, id.HostedNamespace())
	if err != nil {
		return nil, err
	}
	var seen *observed.Tenant
	if namespace != nil {
		if seen, err = r.Namespace(ctx, id, namespace); err != nil {
			return nil, err
		}
	}
	return deletion.Stages(seen, identifiers), nil
}

// ownNamespace reads the hosted namespace live; nil when it is gone or foreign.
func (r Reader) ownNamespace(ctx context.Context, id observed.Identity) (*corev1.Namespace, error) {
	name := id.HostedNamespace()
	namespace := &corev1.Namespace{}
	err := r.Live.Get(ctx, client.ObjectKey{Name: name}, namespace)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("get Namespace %s: %w", name, err)
	}
	if !id.Owns(namespace) {
		return nil, nil
	}
	return namespace, nil
}

// networkIDs are the tenant's network identifiers, read live: the TenantCluster
// must not go before them. Their operator removes them.
func (r Reader) networkIDs(ctx context.Context, hosted string) ([]*v1alpha1.VirtualNetworkID, error) {
	list := &v1alpha1.VirtualNetworkIDList{}
	if err := r.Live.List(ctx, list); err != nil {
		return nil, fmt.Errorf("list VirtualNetworkIDs: %w", err)
	}
	var result []*v1alpha1.VirtualNetworkID
	for _, identifier := range pointers(list.Items) {
		if identifier.Spec.NetworkRef.Namespace == hosted {
			result = append(result, identifier)
		}
	}
	return result, nil
}

// Remove deletes this very object, and lets Kubernetes collect what it owns. One
// that is gone already is no error.
func Remove(ctx context.Context, c client.Client, kind string, object client.Object) error {
	err := c.Delete(ctx, object,
		client.PropagationPolicy(metav1.DeletePropagationBackground), client.Preconditions{UID: new(object.GetUID())})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete %s %s: %w", kind, object.GetName(), err)
	}
	return nil
}
