package tenantcluster

import (
	"context"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
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
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			if cluster, ok := object.(*v1alpha1.TenantCluster); ok && e.behind != nil {
				e.behind.DeepCopyInto(cluster)
				return nil
			}
			return c.Get(ctx, key, object, options...)
		},
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

// issuePKI does the cert-operator's work, with contents that nobody reads here.
func (e *environment) issuePKI() {
	e.Helper()
	secrets := []string{
		v1alpha1.SecretCA, v1alpha1.SecretEtcdServer, v1alpha1.SecretEtcdPeer, v1alpha1.SecretAPIServer,
		v1alpha1.SecretAPIServerKubeletClient, v1alpha1.SecretAPIServerEtcdClient, v1alpha1.SecretFrontProxyClient,
		v1alpha1.SecretControllerManager, v1alpha1.SecretScheduler, v1alpha1.SecretAdmin, v1alpha1.SecretKVMOperator,
		v1alpha1.SecretClusterOperator, v1alpha1.SecretServiceAccount,
	}
	for _, secret := range secrets {
		e.create(&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: e.hosted, Name: secret},
			Data:       map[string][]byte{"tls.crt": []byte("certificate of " + secret), "tls.key": []byte("key"), "ca.crt": []byte("ca")},
		})
	}
	pki := &v1alpha1.TenantPKI{}
	e.updateStatus(pki, e.hosted, "demo", func() {
		for _, secret := range secrets {
			pki.Status.Secrets = append(pki.Status.Secrets, v1alpha1.IssuedSecret{Name: secret, Hash: "0123456789abcdef"})
		}
		pki.Status.Conditions = ready(pki.Generation)
	})
}

// renew does the cert-operator's work for one Secret that was issued before.
func (e *environment) renew(name string) {
	e.Helper()
	secret := &corev1.Secret{}
	e.get(secret, e.hosted, name)
	secret.Data["tls.crt"] = []byte("renewed certificate of " + name)
	if err := e.client.Update(e.Context(), secret); err != nil {
		e.Fatal(err)
	}
	pki := &v1alpha1.TenantPKI{}
	e.updateStatus(pki, e.hosted, "demo", func() {
		for n := range pki.Status.Secrets {
			if pki.Status.Secrets[n].Name == name {
				pki.Status.Secrets[n].Hash = "fedcba9876543210"
			}
		}
	})
}

// connectNetwork does the network-operator's work.
func (e *environment) connectNetwork() {
	e.Helper()
	network := &v1alpha1.TenantNetwork{}
	e.updateStatus(network, e.hosted, "demo", func() { network.Status.Conditions = ready(network.Generation) })
	port := &v1alpha1.NetworkPort{}
	e.updateStatus(port, e.hosted, "kube-apiserver-0", func() {
		port.Status.IPAddress, port.Status.MACAddress = port.Spec.IPAddress, "02:00:00:00:00:01"
	})
}

// runStatefulSet does the work of the StatefulSet controller.
func (e *environment) runStatefulSet(name string) {
	e.Helper()
	set := &appsv1.StatefulSet{}
	e.updateStatus(set, e.hosted, name, func() {
		set.Status = appsv1.StatefulSetStatus{
			ObservedGeneration: set.Generation, Replicas: 1, UpdatedReplicas: 1,
			ReadyReplicas: 1, AvailableReplicas: 1,
		}
	})
}

// runDeployment does the work of the Deployment controller.
func (e *environment) runDeployment(name string) {
	e.Helper()
	deployment := &appsv1.Deployment{}
	e.updateStatus(deployment, e.hosted, name, func() {
		deployment.Status = appsv1.DeploymentStatus{
			ObservedGeneration: deployment.Generation, Replicas: 1, UpdatedReplicas: 1, ReadyReplicas: 1, AvailableReplicas: 1,
		}
	})
}

// collectNamespace does the work of the namespace controller on an empty namespace.
func (e *environment) collectNamespace() {
	e.Helper()
	namespace := &corev1.Namespace{}
	e.get(namespace, "", e.hosted)
	if namespace.DeletionTimestamp == nil {
		e.Fatalf("Namespace %s is not being deleted", e.hosted)
	}
	namespace.Spec.Finalizers = nil
	if err := e.client.SubResource("finalize").Update(context.Background(), namespace); err != nil {
		e.Fatalf("finalize Namespace %s: %v", e.hosted, err)
	}
}

// releaseClaims does the work of the controller that protects claims, when no pod uses them.
func (e *environment) releaseClaims() {
	e.Helper()
	claims := &corev1.PersistentVolumeClaimList{}
	if err := e.client.List(e.Context(), claims, client.InNamespace(e.hosted)); err != nil {
		e.Fatal(err)
	}
	if len(claims.Items) == 0 {
		e.Fatal("there are no claims")
	}
	for n := range claims.Items {
		claims.Items[n].Finalizers = nil
		if err := e.client.Update(e.Context(), &claims.Items[n]); err != nil {
			e.Fatalf("release claim %s: %v", claims.Items[n].Name, err)
		}
	}
}
