package tenantcluster

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
	"slipway.dev/operators/cluster/deletion"
)

// How long each object of a stage may take, from its own deletion on, before
// the next stage begins without it.
const (
	podsBound      = 2 * time.Minute
	networkBound   = 30 * time.Second
	namespaceBound = time.Minute
	networkIDBound = 30 * time.Second
)

// delete takes a tenant down, stage by stage, and lets the TenantCluster go
// when its hosted namespace and its network identifier are gone.
func (r *Reconciler) delete(ctx context.Context, cluster *v1alpha1.TenantCluster) (ctrl.Result, error) {
	hosted := v1alpha1.HostedNamespace(cluster.Namespace, cluster.Name)
	r.Tenants.Forget(client.ObjectKey{Namespace: hosted, Name: v1alpha1.SecretClusterOperatorKubeconfig})
	stages, err := r.stages(ctx, cluster, hosted)
	if err != nil {
		return ctrl.Result{}, err
	}
	decision := deletion.Plan(stages, cluster.DeletionTimestamp.Time, r.Now())
	if decision.Done {
		return ctrl.Result{}, r.finish(ctx, cluster, hosted)
	}
	for _, object := range decision.Delete {
		if err := r.remove(ctx, object); err != nil {
			return ctrl.Result{}, err
		}
	}
	if err := r.reportDeletion(ctx, cluster, decision); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: decision.Wait}, nil
}

// stages are what is there, in the order in which it goes. What does not depend
// on each other goes at once.
func (r *Reconciler) stages(ctx context.Context, cluster *v1alpha1.TenantCluster, hosted string) ([]deletion.Stage, error) {
	namespace, err := r.ownNamespace(ctx, cluster, hosted)
	if err != nil {
		return nil, err
	}
	identifiers, err := r.networkIDs(ctx, hosted)
	if err != nil {
		return nil, err
	}
	last := deletion.Stage{Name: "VirtualNetworkID", Bound: networkIDBound, Objects: identifiers}
	if namespace == nil {
		return []deletion.Stage{last}, nil
	}
	seen, err := r.observe(ctx, cluster, namespace)
	if err != nil {
		return nil, err
	}
	workers := objects("NodePool", pointers(seen.pools), func(p *v1alpha1.NodePool) []metav1.Condition { return p.Status.Conditions })
	dns := single("TenantDNS", seen.dns, func(d *v1alpha1.TenantDNS) []metav1.Condition { return d.Status.Conditions })
	return []deletion.Stage{
		// Workers that go with their whole cluster are not drained, and do not need its API.
		{Name: "workers, control plane and DNS", Bound: podsBound, Objects: slices.Concat(workers, controlPlaneObjects(seen), dns)},
		{Name: "network and PKI", Bound: networkBound, Objects: append(
			single("TenantNetwork", seen.network, func(n *v1alpha1.TenantNetwork) []metav1.Condition { return n.Status.Conditions }),
			single("TenantPKI", seen.pki, func(p *v1alpha1.TenantPKI) []metav1.Condition { return p.Status.Conditions })...)},
		{Name: "namespace", Bound: namespaceBound, Objects: []deletion.Object{{Kind: "Namespace", Object: namespace, Reason: namespaceReason(namespace)}}},
		last,
	}, nil
}

// controlPlaneObjects are workloads, then their pods, then what the pods used,
// volumes and NICs: each would come back, or hang, if it went before what is
// named first.
func controlPlaneObjects(seen *observation) []deletion.Object {
	var workloads, pods, used []deletion.Object
	for _, set := range pointers(seen.workloads.StatefulSets) {
		workloads = append(workloads, deletion.Object{Kind: "StatefulSet", Object: set})
	}
	for _, deployment := range pointers(seen.workloads.Deployments) {
		workloads = append(workloads, deletion.Object{Kind: "Deployment", Object: deployment})
	}
	for _, pod := range pointers(seen.workloads.Pods) {
		pods = append(pods, deletion.Object{Kind: "Pod", Object: pod})
	}
	for _, claim := range pointers(seen.workloads.Claims) {
		used = append(used, deletion.Object{Kind: "PersistentVolumeClaim", Object: claim})
	}
	for _, port := range seen.apiServerPorts() {
		used = append(used, deletion.Object{Kind: "NetworkPort", Object: port})
	}
	switch {
	case len(workloads) > 0:
		return workloads
	case len(pods) > 0:
		return pods
	default:
		return used
	}
}

// networkIDs are the tenant's network identifiers, read live: the TenantCluster
// must not go before them. Their operator removes them.
func (r *Reconciler) networkIDs(ctx context.Context, hosted string) ([]deletion.Object, error) {
	list := &v1alpha1.VirtualNetworkIDList{}
	if err := r.Live.List(ctx, list); err != nil {
		return nil, fmt.Errorf("list VirtualNetworkIDs: %w", err)
	}
	var result []deletion.Object
	for _, identifier := range pointers(list.Items) {
		if identifier.Spec.NetworkRef.Namespace == hosted {
			result = append(result, deletion.Object{Kind: "VirtualNetworkID", Object: identifier, Observed: true})
		}
	}
	return result, nil
}

// ownNamespace reads the hosted namespace live; nil when it is gone or foreign.
func (r *Reconciler) ownNamespace(ctx context.Context, cluster *v1alpha1.TenantCluster, hosted string) (*corev1.Namespace, error) {
	namespace := &corev1.Namespace{}
	err := r.Live.Get(ctx, client.ObjectKey{Name: hosted}, namespace)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("get Namespace %s: %w", hosted, err)
	}
	if !ours(namespace, cluster) {
		return nil, nil
	}
	return namespace, nil
}

// remove deletes an object, and lets Kubernetes collect what it owns.
func (r *Reconciler) remove(ctx context.Context, object deletion.Object) error {
	target, ok := object.Object.(client.Object)
	if !ok {
		return fmt.Errorf("delete %s: not an object of the API", object)
	}
	err := r.Client.Delete(ctx, target,
		client.PropagationPolicy(metav1.DeletePropagationBackground), client.Preconditions{UID: new(target.GetUID())})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete %s: %w", object, err)
	}
	return nil
}

func (r *Reconciler) reportDeletion(ctx context.Context, cluster *v1alpha1.TenantCluster, decision deletion.Decision) error {
	status := slipwayac.TenantClusterStatus().
		WithObservedGeneration(cluster.Generation).
		WithHostedNamespace(v1alpha1.HostedNamespace(cluster.Namespace, cluster.Name)).
		WithConditions(conditions.Apply(cluster.Status.Conditions, cluster.Generation,
			conditions.False(v1alpha1.ConditionReady, "Deleting", decision.Stage+": "+decision.Message()))...)
	for _, object := range decision.Residue {
		status.WithResidue(object.String())
	}
	return r.applyStatus(ctx, cluster, status)
}

// finish removes the kubeconfig and lets the TenantCluster go.
func (r *Reconciler) finish(ctx context.Context, cluster *v1alpha1.TenantCluster, hosted string) error {
	secret := &metav1.PartialObjectMetadata{TypeMeta: secretKind}
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: cluster.Namespace, Name: kubeconfigName(cluster)}, secret)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("get kubeconfig Secret: %w", err)
	}
	if err == nil && metav1.IsControlledBy(secret, cluster) {
		secret.TypeMeta = secretKind
		if err := r.remove(ctx, deletion.Object{Kind: "Secret", Object: secret}); err != nil {
			return err
		}
	}
	if err := r.setFinalizers(ctx, cluster); err != nil {
		return err
	}
	r.writer.forget(hosted)
	r.addons.forget(hosted)
	return nil
}

func objects[P client.Object](kind string, items []P, conditionsOf func(P) []metav1.Condition) []deletion.Object {
	result := make([]deletion.Object, 0, len(items))
	for _, item := range items {
		object := deletion.Object{Kind: kind, Object: item}
		if ready := meta.FindStatusCondition(conditionsOf(item), v1alpha1.ConditionReady); ready != nil && ready.Status == metav1.ConditionFalse {
			object.Reason = ready.Message
		}
		result = append(result, object)
	}
	return result
}

func single[T any, P interface {
	*T
	client.Object
}](kind string, item P, conditionsOf func(P) []metav1.Condition) []deletion.Object {
	if item == nil {
		return nil
	}
	return objects(kind, []P{item}, conditionsOf)
}

// namespaceReason says what keeps a namespace, as the namespace controller reports it.
func namespaceReason(namespace *corev1.Namespace) string {
	for _, kind := range []corev1.NamespaceConditionType{corev1.NamespaceFinalizersRemaining, corev1.NamespaceContentRemaining} {
		for _, condition := range namespace.Status.Conditions {
			if condition.Type == kind && condition.Status == corev1.ConditionTrue {
				return condition.Message
			}
		}
	}
	return ""
}
