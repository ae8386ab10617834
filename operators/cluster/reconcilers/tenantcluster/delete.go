package tenantcluster

import (
	"context"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/finalizer"
	"slipway.dev/kit/grants"
	"slipway.dev/operators/cluster/desired"
	"slipway.dev/operators/cluster/hosted"
	"slipway.dev/operators/cluster/observed"
	"slipway.dev/operators/cluster/report"
)

// delete takes a tenant down, stage by stage, and lets the TenantCluster go
// when its hosted namespace and its network identifier are gone.
func (r *Reconciler) delete(ctx context.Context, cluster *v1alpha1.TenantCluster) (ctrl.Result, error) {
	now := r.clock.Now()
	decision, err := r.teardown.Continue(ctx, observed.IdentityOf(cluster), report.History(cluster), now)
	if err != nil {
		return ctrl.Result{}, err
	}
	if decision.Done {
		return ctrl.Result{}, r.finish(ctx, cluster)
	}
	if err := r.report(ctx, cluster, report.Deletion(cluster, decision, now)); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: decision.Wait}, nil
}

// finish removes the kubeconfig and lets the TenantCluster go.
func (r *Reconciler) finish(ctx context.Context, cluster *v1alpha1.TenantCluster) error {
	secret := &metav1.PartialObjectMetadata{TypeMeta: hosted.SecretKind}
	err := r.client.Get(ctx, client.ObjectKey{Namespace: cluster.Namespace, Name: desired.KubeconfigName(cluster)}, secret)
	if errors.Is(err, grants.ErrNotGranted) {
		// There was none, or Kubernetes collects it: the TenantCluster owns it.
		return finalizer.Remove(ctx, r.client, cluster, Finalizer)
	}
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("get kubeconfig Secret: %w", err)
	}
	if err == nil && metav1.IsControlledBy(secret, cluster) {
		secret.TypeMeta = hosted.SecretKind
		if err := hosted.Remove(ctx, r.client, secret.Kind, secret); err != nil {
			return err
		}
	}
	return finalizer.Remove(ctx, r.client, cluster, Finalizer)
}
