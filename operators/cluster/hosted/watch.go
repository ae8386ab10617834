package hosted

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
	"slipway.dev/kit/grants"
	"slipway.dev/operators/cluster/children"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/desired"
)

// namespaceField indexes TenantClusters by their hosted namespace.
const namespaceField = "hostedNamespace"

// failedCreates selects the events that say why a StatefulSet has no pods: its
// status does not.
var failedCreates = fields.SelectorFromSet(fields.Set{
	"involvedObject.kind": "StatefulSet", "reason": "FailedCreate", "type": corev1.EventTypeWarning,
})

func eventFields(event *corev1.Event) fields.Set {
	return fields.Set{"involvedObject.kind": event.InvolvedObject.Kind, "reason": event.Reason, "type": event.Type}
}

// CacheOptions restrict what the manager watches to what belongs to tenants,
// and of pods to those of control planes.
func CacheOptions() (cache.Options, error) {
	tenant, err := labels.NewRequirement(v1alpha1.LabelTenant, selection.Exists, nil)
	if err != nil {
		return cache.Options{}, fmt.Errorf("select tenants' objects: %w", err)
	}
	component, err := labels.NewRequirement(controlplane.LabelComponent, selection.Exists, nil)
	if err != nil {
		return cache.Options{}, fmt.Errorf("select control planes' objects: %w", err)
	}
	tenants := cache.ByObject{Label: labels.NewSelector().Add(*tenant)}
	controlPlanes := cache.ByObject{Label: labels.NewSelector().Add(*tenant, *component)}
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Namespace{}:             tenants,
			&corev1.Service{}:               controlPlanes,
			&corev1.Pod{}:                   controlPlanes,
			&corev1.PersistentVolumeClaim{}: controlPlanes,
			&corev1.ResourceQuota{}:         tenants,
			&appsv1.StatefulSet{}:           controlPlanes,
			&appsv1.Deployment{}:            controlPlanes,
			&corev1.Event{}:                 {Field: failedCreates, Transform: onlyMessage},
			&corev1.Secret{}:                {Transform: onlyIdentity},
			&rbacv1.RoleBinding{}: {
				Label:     labels.SelectorFromSet(labels.Set{controlplane.LabelManagedBy: controlplane.ManagedBy}),
				Transform: grants.OnlyRole,
			},
		},
	}, nil
}

// onlyIdentity keeps of a Secret's metadata whose it is, which version and what
// for. All else has any size, and may hold the contents.
func onlyIdentity(object any) (any, error) {
	secret, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return object, nil
	}
	kept := &metav1.PartialObjectMetadata{TypeMeta: secret.TypeMeta, ObjectMeta: metav1.ObjectMeta{
		Namespace: secret.Namespace, Name: secret.Name, UID: secret.UID, ResourceVersion: secret.ResourceVersion,
		DeletionTimestamp: secret.DeletionTimestamp,
	}}
	if owner := metav1.GetControllerOf(secret); owner != nil {
		kept.OwnerReferences = []metav1.OwnerReference{*owner}
	}
	for _, label := range []string{v1alpha1.LabelTenant, v1alpha1.LabelShareWithWorkers, children.LabelRegistry} {
		if value, labelled := secret.Labels[label]; labelled {
			metav1.SetMetaDataLabel(&kept.ObjectMeta, label, value)
		}
	}
	return kept, nil
}

// onlyMessage keeps of an event what a report is made from. Whoever may write
// events may write long ones, in any of their fields.
func onlyMessage(object any) (any, error) {
	event, ok := object.(*corev1.Event)
	if !ok {
		return object, nil
	}
	about := event.InvolvedObject
	return &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: event.Namespace, Name: event.Name, UID: event.UID, ResourceVersion: event.ResourceVersion,
		},
		InvolvedObject: corev1.ObjectReference{
			Kind: about.Kind, Namespace: about.Namespace, Name: conditions.FirstLine(about.Name), UID: types.UID(conditions.FirstLine(string(about.UID))),
		},
		Type: event.Type, Reason: event.Reason, Message: conditions.FirstLine(event.Message),
		LastTimestamp: event.LastTimestamp,
	}, nil
}

// Index lets TenantClusters be found by their hosted namespace.
func Index(ctx context.Context, manager ctrl.Manager) error {
	err := manager.GetFieldIndexer().IndexField(ctx, &v1alpha1.TenantCluster{}, namespaceField, func(object client.Object) []string {
		return []string{v1alpha1.HostedNamespace(object.GetNamespace(), object.GetName())}
	})
	if err != nil {
		return fmt.Errorf("index TenantClusters: %w", err)
	}
	return nil
}

// Children are the kinds of objects in hosted namespaces whose changes matter to
// the TenantCluster. They cannot have an owner reference into another namespace.
func Children() []client.Object {
	return []client.Object{
		&v1alpha1.TenantNetwork{}, &v1alpha1.TenantPKI{}, &v1alpha1.TenantDNS{}, &v1alpha1.NodePool{}, &v1alpha1.NetworkPort{},
		&v1alpha1.VirtualNetworkID{}, &corev1.Namespace{}, &corev1.Service{}, &corev1.Pod{}, &corev1.PersistentVolumeClaim{}, &corev1.ResourceQuota{},
		&appsv1.StatefulSet{}, &appsv1.Deployment{}, &corev1.Event{},
	}
}

// NamespaceOf is the hosted namespace that an object belongs to.
func NamespaceOf(object client.Object) string {
	switch object := object.(type) {
	case *corev1.Namespace:
		return object.Name
	case *v1alpha1.VirtualNetworkID:
		return object.Spec.NetworkRef.Namespace
	default:
		return object.GetNamespace()
	}
}

// ToTenant wakes the TenantCluster in whose hosted namespace an object is.
func ToTenant(reader client.Reader) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, object client.Object) []reconcile.Request {
		return requests(tenantsOf(ctx, reader, NamespaceOf(object)))
	})
}

// ToTenantsOfSecret wakes, besides, the TenantClusters that name a Secret beside
// them, or own it.
func ToTenantsOfSecret(reader client.Reader) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, object client.Object) []reconcile.Request {
		if tenants := tenantsOf(ctx, reader, object.GetNamespace()); len(tenants) > 0 {
			return requests(tenants)
		}
		beside := list(ctx, reader, client.InNamespace(object.GetNamespace()))
		return requests(slices.DeleteFunc(beside, func(cluster v1alpha1.TenantCluster) bool {
			return !slices.Contains(append(children.RegistrySecretNames(cluster.Spec), desired.KubeconfigName(&cluster)), object.GetName())
		}))
	})
}

// ToTenantsOfGrant wakes the TenantClusters that a RoleBinding is for: those
// beside it, or that in whose hosted namespace it is.
func ToTenantsOfGrant(reader client.Reader) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, object client.Object) []reconcile.Request {
		tenants := tenantsOf(ctx, reader, object.GetNamespace())
		return requests(append(tenants, list(ctx, reader, client.InNamespace(object.GetNamespace()))...))
	})
}

// tenantsOf are the TenantClusters with that hosted namespace: at most one,
// unless hashes collide.
func tenantsOf(ctx context.Context, reader client.Reader, namespace string) []v1alpha1.TenantCluster {
	return list(ctx, reader, client.MatchingFields{namespaceField: namespace})
}

func list(ctx context.Context, reader client.Reader, options ...client.ListOption) []v1alpha1.TenantCluster {
	clusters := &v1alpha1.TenantClusterList{}
	if err := reader.List(ctx, clusters, options...); err != nil {
		log.FromContext(ctx).Error(err, "Listing TenantClusters")
		return nil
	}
	return clusters.Items
}

func requests(clusters []v1alpha1.TenantCluster) []reconcile.Request {
	result := make([]reconcile.Request, len(clusters))
	for n := range clusters {
		result[n].NamespacedName = client.ObjectKeyFromObject(&clusters[n])
	}
	return result
}
