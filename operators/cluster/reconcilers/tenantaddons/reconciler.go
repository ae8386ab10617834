// Package tenantaddons writes the add-ons into tenants. It is the only controller
// that reports whether a tenant's API answers, and has workers of its own because
// tenants may be slow.
package tenantaddons

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/conditions"
	"slipway.dev/kit/tenantapi"
	"slipway.dev/operators/cluster/addons"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/hosted"
	"slipway.dev/operators/cluster/observed"
	"slipway.dev/operators/cluster/report"
)

// owner of AddonsReady and, in tenants, of the add-ons.
const owner client.FieldOwner = "cluster-operator-addons"

// retry is how long after a refusal the write of an add-on is tried again: there
// is nothing to watch that would show when the tenant accepts it.
const retry = 15 * time.Second

// Reconciler reconciles the add-ons of TenantClusters.
type Reconciler struct {
	client client.Client
	// live reads the kubeconfig when a connection is made.
	live    client.Reader
	tenants *tenantapi.Clusters
	images  controlplane.Images
	clock   clock.PassiveClock

	writer  *apply.Writer
	written written
	wakeUp  chan event.GenericEvent
}

// New makes a Reconciler. Connections are made when it is set up with a manager.
func New(c client.Client, live client.Reader, images controlplane.Images, clock clock.PassiveClock) *Reconciler {
	return &Reconciler{
		client: c, live: live, images: images, clock: clock,
		writer: apply.NewWriter(c, owner), wakeUp: make(chan event.GenericEvent, 64),
	}
}

// Reconcile brings the add-ons of one tenant closer to their desired state.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	namespace := v1alpha1.HostedNamespace(request.Namespace, request.Name)
	cluster := &v1alpha1.TenantCluster{}
	if err := r.client.Get(ctx, request.NamespacedName, cluster); err != nil {
		if client.IgnoreNotFound(err) == nil {
			r.forget(namespace)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !cluster.DeletionTimestamp.IsZero() {
		r.forget(namespace)
		gone := conditions.False(v1alpha1.ConditionAddonsReady, report.ReasonDeleting, "the tenant is being removed")
		return ctrl.Result{}, client.IgnoreNotFound(r.report(ctx, cluster, gone))
	}
	seen, err := r.observe(ctx, cluster, namespace)
	if err != nil {
		return ctrl.Result{}, err
	}
	if seen.kubeconfig == nil {
		return ctrl.Result{}, r.report(ctx, cluster, report.AddonsPending("waiting for the control plane"))
	}
	tenant, err := r.tenant(ctx, seen.kubeconfig)
	var down *tenantapi.NotConnectedError
	if errors.As(err, &down) {
		before := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionAddonsReady)
		return ctrl.Result{}, r.report(ctx, cluster, report.AddonsSilent(before, cluster.Generation, down))
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	return r.converge(ctx, cluster, seen, tenant, r.written.of(namespace))
}

// converge writes what is not written yet or not there any more, and reports.
func (r *Reconciler) converge(
	ctx context.Context, cluster *v1alpha1.TenantCluster, seen *observation, tenant *tenantapi.Tenant, progress *progress,
) (ctrl.Result, error) {
	deployment, err := clusterDNS(ctx, tenant)
	if err != nil {
		return ctrl.Result{}, err
	}
	settings, err := desired(cluster, seen.pools, r.images)
	if err != nil {
		return ctrl.Result{}, err
	}
	now := r.clock.Now()
	err = progress.write(ctx, tenant, settings, deployment, now)
	if after, busy := tenantapi.RetryAfter(err); busy {
		return ctrl.Result{RequeueAfter: after}, nil
	}
	if refused := (*tenantapi.RefusedError)(nil); errors.As(err, &refused) {
		log.FromContext(ctx).Info("Add-on not written", "reason", err.Error())
		return ctrl.Result{RequeueAfter: retry}, r.report(ctx, cluster, report.AddonsRefused(refused))
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: progress.checkAt.Sub(now)},
		r.report(ctx, cluster, report.ClusterDNS(deployment, progress.generation, seen.pools))
}

func (r *Reconciler) report(ctx context.Context, cluster *v1alpha1.TenantCluster, condition metav1.Condition) error {
	status := report.AddonsStatus(cluster, condition, r.clock.Now())
	object := slipwayac.TenantCluster(cluster.Name, cluster.Namespace).WithUID(cluster.UID).WithStatus(status)
	if err := r.writer.ApplyStatus(ctx, object, cluster); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// forget closes the connection to a tenant that is being deleted.
func (r *Reconciler) forget(namespace string) {
	r.tenants.Forget(client.ObjectKey{Namespace: namespace, Name: v1alpha1.SecretClusterOperatorKubeconfig})
	r.written.forget(namespace)
}

// observation is what the management cluster has of a tenant's add-ons.
type observation struct {
	// kubeconfig is nil before there is an API server to use it with. It has no contents.
	kubeconfig *metav1.PartialObjectMetadata
	pools      []v1alpha1.NodePool
}

func (r *Reconciler) observe(ctx context.Context, cluster *v1alpha1.TenantCluster, name string) (*observation, error) {
	seen := &observation{}
	namespace := &corev1.Namespace{}
	err := r.client.Get(ctx, client.ObjectKey{Name: name}, namespace)
	if err != nil || !observed.IdentityOf(cluster).Owns(namespace) {
		return seen, client.IgnoreNotFound(err)
	}
	err = r.client.Get(ctx, client.ObjectKey{Namespace: name, Name: controlplane.APIServer}, &appsv1.StatefulSet{})
	if err != nil {
		return seen, client.IgnoreNotFound(err)
	}
	pools := &v1alpha1.NodePoolList{}
	if err := r.client.List(ctx, pools, client.InNamespace(name)); err != nil {
		return nil, fmt.Errorf("list NodePools: %w", err)
	}
	seen.pools = pools.Items
	secret := &metav1.PartialObjectMetadata{TypeMeta: hosted.SecretKind}
	err = r.client.Get(ctx, client.ObjectKey{Namespace: name, Name: v1alpha1.SecretClusterOperatorKubeconfig}, secret)
	if err != nil {
		return seen, client.IgnoreNotFound(err)
	}
	seen.kubeconfig = secret
	return seen, nil
}

// tenant makes a connection, or another when the kubeconfig has changed.
func (r *Reconciler) tenant(ctx context.Context, kubeconfig *metav1.PartialObjectMetadata) (*tenantapi.Tenant, error) {
	key := client.ObjectKeyFromObject(kubeconfig)
	return r.tenants.Get(key, kubeconfig.ResourceVersion, func() ([]byte, error) {
		secret := &corev1.Secret{}
		err := r.live.Get(ctx, key, secret)
		return secret.Data[v1alpha1.KubeconfigKey], err
	})
}

// clusterDNS is the tenant's CoreDNS; nil when it is not there.
func clusterDNS(ctx context.Context, tenant *tenantapi.Tenant) (*appsv1.Deployment, error) {
	deployment := &appsv1.Deployment{}
	err := tenant.Get(ctx, client.ObjectKey{Namespace: addons.CoreDNSNamespace, Name: addons.CoreDNS}, deployment)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("get tenant's %s: %w", addons.CoreDNS, err)
	}
	if err != nil {
		return nil, nil
	}
	return deployment, nil
}
