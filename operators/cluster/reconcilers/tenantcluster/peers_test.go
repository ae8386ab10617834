package tenantcluster

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/operators/cluster/report"
)

// counting counts what goes through a client and is no read.
func (e *environment) counting(c client.WithWatch) client.WithWatch {
	written := func(err error) error {
		e.writes++
		if e.whenWritten != nil {
			e.whenWritten()
		}
		return err
	}
	return interceptor.NewClient(c, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			return written(c.Create(ctx, object, options...))
		},
		Delete: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.DeleteOption) error {
			return written(c.Delete(ctx, object, options...))
		},
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			return written(c.Patch(ctx, object, patch, options...))
		},
		Apply: func(ctx context.Context, c client.WithWatch, object runtime.ApplyConfiguration, options ...client.ApplyOption) error {
			return written(c.Apply(ctx, object, options...))
		},
		SubResourceApply: func(ctx context.Context, c client.Client, name string, object runtime.ApplyConfiguration, options ...client.SubResourceApplyOption) error {
			return written(c.SubResource(name).Apply(ctx, object, options...))
		},
	})
}

func (e *environment) advance(duration time.Duration) {
	e.clock.SetTime(e.clock.Now().Add(duration))
}

// reportAddons does the work of the add-ons' controller.
func (e *environment) reportAddons(condition metav1.Condition) {
	e.Helper()
	cluster := e.cluster()
	object := slipwayac.TenantCluster(cluster.Name, cluster.Namespace).WithStatus(report.AddonsStatus(cluster, condition, e.clock.Now()))
	if err := apply.Status(e.Context(), e.client, "cluster-operator-addons", object); err != nil {
		e.Fatal(err)
	}
}

// readyPool does the kvm-operator's work.
func (e *environment) readyPool(name string) {
	e.Helper()
	pool := &v1alpha1.NodePool{}
	e.updateStatus(pool, e.hosted, name, func() {
		pool.Status.ObservedGeneration = pool.Generation
		pool.Status.Replicas, pool.Status.ReadyReplicas = *pool.Spec.Replicas, *pool.Spec.Replicas
		pool.Status.Conditions = ready(pool.Generation)
	})
}

// bringUp does everybody else's work, until the tenant is Ready.
func (e *environment) bringUp(pools ...string) {
	e.Helper()
	if len(pools) == 0 {
		pools = []string{"a"}
	}
	e.reconcile()
	e.issuePKI()
	e.connectNetwork()
	e.reconcile()
	e.runStatefulSet("etcd")
	e.runStatefulSet("kube-apiserver")
	e.reconcile()
	e.runDeployment("kube-controller-manager")
	e.runDeployment("kube-scheduler")
	dns := &v1alpha1.TenantDNS{}
	e.updateStatus(dns, e.hosted, "demo", func() { dns.Status.Conditions = ready(dns.Generation) })
	for _, pool := range pools {
		e.readyPool(pool)
	}
	e.reportAddons(metav1.Condition{Type: v1alpha1.ConditionAddonsReady, Status: metav1.ConditionTrue, Reason: "Ready"})
	e.reconcile()
}
