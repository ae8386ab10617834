package tenantcluster

import (
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/controlplane"
)

func tenantComesUp(e *environment) {
	e.createCluster(pools(map[string]any{"name": "a"}))

	e.reconcile()
	namespace := &corev1.Namespace{}
	e.get(namespace, "", e.hosted)
	if got := namespace.Labels["pod-security.kubernetes.io/enforce"]; got != "privileged" {
		e.Errorf("pod security of the hosted namespace is %q", got)
	}
	// Every child is there at once; pods wait for what they mount.
	for _, child := range []client.Object{&v1alpha1.TenantNetwork{}, &v1alpha1.TenantPKI{}, &v1alpha1.TenantDNS{}} {
		e.get(child, e.hosted, "demo")
	}
	e.get(&v1alpha1.NodePool{}, e.hosted, "a")
	port := &v1alpha1.NetworkPort{}
	e.get(port, e.hosted, "kube-apiserver-0")
	service := &corev1.Service{}
	e.get(service, e.hosted, "etcd-client")
	wantEgress := []v1alpha1.EgressRule{{CIDR: v1alpha1.CIDR(service.Spec.ClusterIP + "/32"), Protocol: "TCP", Port: 2379}}
	if diff := cmp.Diff(wantEgress, port.Spec.ManagementEgress); diff != "" {
		e.Errorf("management egress (-want +got):\n%s", diff)
	}
	e.get(&corev1.PersistentVolumeClaim{}, e.hosted, "data-etcd-0")
	e.gone(&appsv1.StatefulSet{}, e.hosted, "etcd")
	e.wantCondition(v1alpha1.ConditionControlPlaneReady, "False Waiting: TenantPKI demo: Secrets not issued yet: etcd-peer, etcd-server")
	e.wantCondition(v1alpha1.ConditionPKIReady, "False Pending: TenantPKI demo: its operator has not reported yet")

	e.issuePKI()
	e.reconcile()
	e.get(&appsv1.StatefulSet{}, e.hosted, "etcd")
	e.gone(&appsv1.StatefulSet{}, e.hosted, "kube-apiserver")
	e.wantCondition(v1alpha1.ConditionPKIReady, "True Ready")

	e.connectNetwork()
	e.reconcile()
	e.get(&appsv1.StatefulSet{}, e.hosted, "kube-apiserver")
	e.gone(&appsv1.Deployment{}, e.hosted, "kube-scheduler")

	e.clock.SetTime(e.cluster().CreationTimestamp.Add(7 * time.Second))
	e.runStatefulSet("etcd")
	e.runStatefulSet("kube-apiserver")
	e.reconcile()
	e.runDeployment("kube-controller-manager")
	e.runDeployment("kube-scheduler")
	e.reconcile()
	e.wantCondition(v1alpha1.ConditionControlPlaneReady, "True Ready")
	e.wantCondition(v1alpha1.ConditionAddonsReady, "absent")

	cluster := e.cluster()
	for _, step := range cluster.Status.Timeline {
		if step.Step == v1alpha1.ConditionControlPlaneReady && step.Seconds != 7 {
			e.Errorf("the control plane took %d s, want 7", step.Seconds)
		}
	}
	if cluster.Status.Version != "v1.36.3" || cluster.Status.Workers.Summary != "0/1" {
		e.Errorf("status: version %q, workers %q", cluster.Status.Version, cluster.Status.Workers.Summary)
	}
	e.wantKubeconfig(cluster)
}

// wantKubeconfig checks the user's kubeconfig: the endpoint from outside, and
// an owner, so that it never outlives its TenantCluster.
func (e *environment) wantKubeconfig(cluster *v1alpha1.TenantCluster) {
	e.Helper()
	secret := &corev1.Secret{}
	e.get(secret, e.team, cluster.Status.KubeconfigSecretName)
	config, err := clientcmd.Load(secret.Data["value"])
	if err != nil {
		e.Fatal(err)
	}
	if got := config.Clusters["demo."+e.team].Server; got != cluster.Status.Endpoint || !strings.HasPrefix(got, "https://192.0.2.1:3") {
		e.Errorf("kubeconfig's server is %q, status.endpoint %q", got, cluster.Status.Endpoint)
	}
	if !metav1.IsControlledBy(secret, cluster) {
		e.Error("the kubeconfig Secret has no owner")
	}
	e.get(secret, e.hosted, v1alpha1.SecretKVMOperatorKubeconfig)
	if config, err = clientcmd.Load(secret.Data[v1alpha1.KubeconfigKey]); err != nil {
		e.Fatal(err)
	}
	if got, want := config.Clusters["demo."+e.team].Server, "https://kube-apiserver."+e.hosted+".svc:6443"; got != want {
		e.Errorf("kvm-operator's server is %q, want %q", got, want)
	}
}

// A kubeconfig never outlives its certificate, nor does the way in of an operator.
func kubeconfigsFollowRenewals(e *environment) {
	e.createCluster(pools())
	e.reconcile()
	e.issuePKI()
	e.reconcile()
	for _, test := range []struct{ issued, namespace, secret, key, user string }{
		{v1alpha1.SecretAdmin, e.team, "demo-kubeconfig", "value", "kubernetes-admin"},
		{v1alpha1.SecretClusterOperator, e.hosted, v1alpha1.SecretClusterOperatorKubeconfig, v1alpha1.KubeconfigKey, "slipway:cluster-operator"},
		{v1alpha1.SecretKVMOperator, e.hosted, v1alpha1.SecretKVMOperatorKubeconfig, v1alpha1.KubeconfigKey, "slipway:kvm-operator"},
	} {
		certificate := func() string {
			e.Helper()
			secret := &corev1.Secret{}
			e.get(secret, test.namespace, test.secret)
			config, err := clientcmd.Load(secret.Data[test.key])
			if err != nil {
				e.Fatal(err)
			}
			return string(config.AuthInfos[test.user+".demo."+e.team].ClientCertificateData)
		}
		if got, want := certificate(), "certificate of "+test.issued; got != want {
			e.Errorf("Secret %s has %q, want %q", test.secret, got, want)
		}
		e.renew(test.issued)
		e.reconcile()
		if got, want := certificate(), "renewed certificate of "+test.issued; got != want {
			e.Errorf("Secret %s has %q, want %q", test.secret, got, want)
		}
	}
}

func messagesNameWhatBlocks(e *environment) {
	spec := pools(map[string]any{"name": "a"})
	spec["registries"] = []any{map[string]any{"host": "docker.io", "endpoint": "https://mirror.example.com", "caSecretName": "mirror-ca"}}
	e.createCluster(spec)
	e.reconcile()
	e.wantCondition(v1alpha1.ConditionWorkersReady, "False InvalidReference: Secret mirror-ca of registry docker.io not found")

	e.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: e.team, Name: "mirror-ca", Labels: map[string]string{v1alpha1.LabelShareWithWorkers: "true"}}, Data: map[string][]byte{"ca.crt": []byte("pem")}})
	e.reconcile()
	copied := &corev1.Secret{}
	e.get(copied, e.hosted, "registry-ca-mirror-ca")
	pool := &v1alpha1.NodePool{}
	e.updateStatus(pool, e.hosted, "a", func() {
		pool.Status.Conditions = notReady(pool.Generation, "ImagePullBackOff", "Machine a-x1y2z: image guest:v1.36.3 not found")
	})
	e.issuePKI()
	e.connectNetwork()
	e.reconcile()
	e.wantCondition(v1alpha1.ConditionWorkersReady, "False ImagePullBackOff: NodePool a: Machine a-x1y2z: image guest:v1.36.3 not found")

	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.hosted, Name: "etcd-0", Labels: map[string]string{v1alpha1.LabelTenant: e.hosted, "app.kubernetes.io/component": "etcd"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "etcd", Image: "etcd"}}},
	}
	e.create(pod)
	e.updateStatus(pod, e.hosted, "etcd-0", func() {
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name: "etcd", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: `Back-off pulling image "etcd"`}},
		}}
	})
	e.reconcile()
	want := `False ImagePullBackOff: Pod etcd-0: ImagePullBackOff Back-off pulling image "etcd"`
	e.wantCondition(v1alpha1.ConditionControlPlaneReady, want)
	e.wantCondition(v1alpha1.ConditionReady, want)
}

func replicasBelongToWhoeverScales(e *environment) {
	e.createCluster(pools(map[string]any{"name": "a"}, map[string]any{"name": "b", "replicas": int64(3)}))
	e.reconcile()
	wantReplicas := func(name string, want int32) {
		e.Helper()
		pool := &v1alpha1.NodePool{}
		e.get(pool, e.hosted, name)
		if *pool.Spec.Replicas != want {
			e.Errorf("NodePool %s has %d replicas, want %d", name, *pool.Spec.Replicas, want)
		}
	}
	wantReplicas("a", 1)
	wantReplicas("b", 3)

	// Somebody scales both: the one that the TenantCluster sets comes back.
	for _, name := range []string{"a", "b"} {
		pool := &v1alpha1.NodePool{}
		e.get(pool, e.hosted, name)
		pool.Spec.Replicas = new(int32(5))
		if err := e.client.Update(e.Context(), pool); err != nil {
			e.Fatal(err)
		}
	}
	e.reconcile()
	wantReplicas("a", 5)
	wantReplicas("b", 3)

	// Left out from now on, the number stays.
	cluster := e.cluster()
	cluster.Spec.NodePools[1].Replicas = nil
	if err := e.client.Update(e.Context(), cluster); err != nil {
		e.Fatal(err)
	}
	e.reconcile()
	wantReplicas("b", 3)

	cluster = e.cluster()
	cluster.Spec.NodePools = cluster.Spec.NodePools[:1]
	if err := e.client.Update(e.Context(), cluster); err != nil {
		e.Fatal(err)
	}
	e.reconcile()
	e.gone(&v1alpha1.NodePool{}, e.hosted, "b")
	wantReplicas("a", 5)
}

func foreignNamespaceIsLeftAlone(e *environment) {
	e.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: e.hosted}})
	e.createCluster(pools())
	result := e.reconcile()
	e.wantCondition(v1alpha1.ConditionReady, "False NamespaceConflict: Namespace "+e.hosted+
		" exists and belongs to something else; delete it, or choose another name for the TenantCluster")
	// Its deletion, which the message asks for, would wake nobody.
	if result.RequeueAfter <= 0 || result.RequeueAfter > time.Minute {
		e.Errorf("looks again after %v", result.RequeueAfter)
	}
	if err := e.client.Delete(e.Context(), e.cluster()); err != nil {
		e.Fatal(err)
	}
	e.reconcile()
	e.gone(&v1alpha1.TenantCluster{}, e.team, "demo")
	namespace := &corev1.Namespace{}
	e.get(namespace, "", e.hosted)
	if namespace.DeletionTimestamp != nil {
		e.Error("the foreign namespace is being deleted")
	}
}

// Nothing that has nothing to say is sent to the API server: neither while a
// tenant waits for others, nor when all of it is there.
func unchangedTenantCausesNoWrites(e *environment) {
	e.createCluster(pools(map[string]any{"name": "a"}))
	wantNone := func(when string) {
		e.Helper()
		e.reconcile()
		before := e.cluster().ResourceVersion
		e.writes = 0
		e.advance(time.Hour)
		e.reconcile()
		if after := e.cluster().ResourceVersion; e.writes != 0 || after != before {
			e.Errorf("%s: %d writes, and the TenantCluster went from %s to %s", when, e.writes, before, after)
		}
	}
	wantNone("waiting")
	e.bringUp()
	e.wantCondition(v1alpha1.ConditionReady, "True Ready")
	wantNone("settled")
}

// Pods have more CPU time while their control plane starts.
func podsThatStartAskForMore(e *environment) {
	e.createCluster(pools(map[string]any{"name": "a"}))
	e.reconcile()
	e.issuePKI()
	e.connectNetwork()
	e.reconcile()
	set, pod := &appsv1.StatefulSet{}, &corev1.Pod{}
	e.get(set, e.hosted, controlplane.Etcd)
	e.create(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.hosted, Name: "etcd-0", Labels: set.Spec.Template.Labels},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: controlplane.Etcd, Image: "i", Resources: set.Spec.Template.Spec.Containers[0].Resources,
		}}},
	})
	is := func(conditionType corev1.PodConditionType) {
		e.Helper()
		e.updateStatus(pod, e.hosted, "etcd-0", func() {
			pod.Status.Conditions = append(pod.Status.Conditions,
				corev1.PodCondition{Type: conditionType, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(e.clock.Now())})
		})
	}
	want := func(when, cpu string) ctrl.Result {
		e.Helper()
		result := e.reconcile()
		e.get(pod, e.hosted, "etcd-0")
		if got := pod.Spec.Containers[0].Resources.Requests; got.Cpu().String() != cpu || got.Memory().String() != "32Mi" {
			e.Errorf("%s: etcd asks for %v, want %s of CPU time and 32Mi", when, got, cpu)
		}
		return result
	}
	want("it has no node", "15m")
	is(corev1.PodScheduled)
	if again := want("it starts", "120m").RequeueAfter; again <= 0 || again > 2*time.Minute {
		e.Errorf("is looked at again after %s, want within two minutes", again)
	}
	is(corev1.PodReady)
	want("it runs, and nothing else does", "120m")
	e.clock.SetTime(e.clock.Now().Add(2 * time.Minute))
	want("nothing else has come up", "15m")
	e.writes = 0
	e.reconcile()
	if e.writes != 0 {
		e.Errorf("%d writes when everything has its size", e.writes)
	}
}

// A claim may have been changed by hand, and its StatefulSet deleted to be made anew.
func claimsAreLeftAlone(e *environment) {
	e.createCluster(pools())
	e.reconcile()
	e.issuePKI()
	e.reconcile()
	claim := &corev1.PersistentVolumeClaim{}
	e.get(claim, e.hosted, "data-etcd-0")
	claim.Labels["app.kubernetes.io/component"] = "by-hand"
	if err := e.client.Update(e.Context(), claim); err != nil {
		e.Fatal(err)
	}
	set := &appsv1.StatefulSet{}
	e.get(set, e.hosted, "etcd")
	if err := e.client.Delete(e.Context(), set); err != nil {
		e.Fatal(err)
	}
	e.reconcile()
	e.get(set, e.hosted, "etcd")
	e.get(claim, e.hosted, "data-etcd-0")
	if got := claim.Labels["app.kubernetes.io/component"]; got != "by-hand" {
		e.Errorf("the claim was written again: its label is %q", got)
	}
}
