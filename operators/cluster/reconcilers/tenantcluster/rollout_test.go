package tenantcluster

import (
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
	"slipway.dev/kit/tenantapi"
)

// change updates the spec as a user does, and returns the generation that it has then.
func (e *environment) change(change func(*v1alpha1.TenantClusterSpec)) int64 {
	e.Helper()
	cluster := e.cluster()
	change(&cluster.Spec)
	if err := e.client.Update(e.Context(), cluster); err != nil {
		e.Fatal(err)
	}
	return cluster.Generation
}

// Whoever waits for Ready after a change waits for the change: no status says at
// any time that a generation is Ready whose workers are not there.
func readyIsOfThisGeneration(e *environment) {
	e.createCluster(pools(map[string]any{"name": "a", "replicas": int64(1)}))
	e.bringUp()
	e.wantCondition(v1alpha1.ConditionReady, "True Ready")

	generation := e.change(func(spec *v1alpha1.TenantClusterSpec) { spec.NodePools[0].Replicas = new(int32(2)) })
	observed := 0
	e.whenWritten = func() {
		status := e.cluster().Status
		ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
		if status.ObservedGeneration == generation || ready.ObservedGeneration == generation {
			observed++
			if ready.Status == metav1.ConditionTrue {
				e.Errorf("generation %d is Ready before its workers are", generation)
			}
		}
	}
	e.reportAddons(metav1.Condition{Type: v1alpha1.ConditionAddonsReady, Status: metav1.ConditionTrue, Reason: "Ready"})
	e.reconcileOnce()
	if observed == 0 {
		e.Error("the reconcile that writes the pool does not report")
	}
	e.reconcile()
	e.whenWritten = nil
	e.wantCondition(v1alpha1.ConditionReady, "False Progressing: NodePool a: is being rolled out")

	e.readyPool("a")
	e.reconcile()
	e.wantCondition(v1alpha1.ConditionReady, "True Ready")
	if got := e.cluster().Status.ObservedGeneration; got != generation {
		e.Errorf("status is of generation %d, want %d", got, generation)
	}

	// The control plane too, and the add-ons.
	e.change(func(spec *v1alpha1.TenantClusterSpec) { spec.ControlPlane.Replicas = 2 })
	e.reconcileOnce()
	ready := e.condition(v1alpha1.ConditionReady)
	if !strings.HasPrefix(ready, "False ") {
		e.Errorf("Ready is %q while control plane and add-ons are of the generation before", ready)
	}
}

func operationsAndTheirTimeline(e *environment) {
	e.createCluster(pools(map[string]any{"name": "a", "replicas": int64(1)}))
	e.clock.SetTime(e.cluster().CreationTimestamp.Time)
	wantOperation := func(kind v1alpha1.OperationType, blockedBy, message string) {
		e.Helper()
		operation := e.cluster().Status.Operation
		if operation == nil || operation.Type != kind || operation.BlockedBy != blockedBy || operation.Message != message {
			e.Errorf("operation %+v, want %s, blocked by %s: %s", operation, kind, blockedBy, message)
		}
	}
	wantTimeline := func(want ...string) {
		e.Helper()
		var got []string
		for _, step := range e.cluster().Status.Timeline {
			got = append(got, step.Step)
		}
		if !slices.Equal(got, want) {
			e.Errorf("timeline %q, want %q", got, want)
		}
	}
	e.reconcile()
	wantOperation(v1alpha1.OperationCreate, v1alpha1.ConditionPKIReady, "TenantPKI demo: its operator has not reported yet")
	e.advance(20 * time.Second)
	e.bringUp()
	if operation := e.cluster().Status.Operation; operation != nil {
		e.Errorf("operation %+v of a tenant that is Ready", operation)
	}
	wantTimeline(v1alpha1.ConditionAddonsReady, v1alpha1.ConditionControlPlaneReady, v1alpha1.ConditionDNSReady,
		v1alpha1.ConditionNetworkReady, v1alpha1.ConditionPKIReady, v1alpha1.ConditionWorkersReady, v1alpha1.ConditionReady)

	e.advance(time.Hour)
	e.change(func(spec *v1alpha1.TenantClusterSpec) { spec.NodePools[0].Replicas = new(int32(2)) })
	e.reportAddons(metav1.Condition{Type: v1alpha1.ConditionAddonsReady, Status: metav1.ConditionTrue, Reason: "Ready"})
	e.reconcile()
	wantOperation(v1alpha1.OperationScale, v1alpha1.ConditionWorkersReady, "NodePool a: is being rolled out")
	wantTimeline()
	e.advance(31 * time.Second)
	e.readyPool("a")
	e.reconcile()
	wantTimeline(v1alpha1.ConditionWorkersReady, v1alpha1.ConditionReady)
	if steps := e.cluster().Status.Timeline; len(steps) > 0 && steps[0].Seconds != 31 {
		e.Errorf("workers took %d s, want 31", steps[0].Seconds)
	}

	// A fault is no operation, and leaves the timeline alone.
	pool := &v1alpha1.NodePool{}
	e.updateStatus(pool, e.hosted, "a", func() { pool.Status.Conditions = notReady(pool.Generation, "NodeNotReady", "Machine a-1: not ready") })
	e.reconcile()
	if operation := e.cluster().Status.Operation; operation != nil {
		e.Errorf("operation %+v after a fault", operation)
	}
	wantTimeline(v1alpha1.ConditionWorkersReady, v1alpha1.ConditionReady)
	e.readyPool("a")
	e.reconcile()

	e.change(func(spec *v1alpha1.TenantClusterSpec) {
		spec.NodePools[0].Labels = map[string]v1alpha1.NodeLabelValue{"a": "b"}
	})
	e.reconcile()
	wantOperation(v1alpha1.OperationUpdate, v1alpha1.ConditionAddonsReady, "the add-ons are being rolled out")
	e.wantEvents("OperationBegan Create has begun", "ControlPlaneReady The control plane is ready", "OperationEnded Create is complete",
		"OperationBegan Scale has begun", "OperationEnded Scale is complete", "NodeNotReady NodePool a: Machine a-1: not ready",
		"OperationBegan Update has begun")
}

// A cache may be behind what the reconciler itself has reported.
func eventsAreSentOnce(e *environment) {
	e.createCluster(pools(map[string]any{"name": "a"}))
	e.reconcile()
	e.wantEvents("OperationBegan Create has begun")
	e.behind = e.cluster()
	e.behind.Status = v1alpha1.TenantClusterStatus{}
	e.reconcile()
	e.wantEvents()
	e.behind = nil
	e.bringUp()
	e.wantEvents("ControlPlaneReady The control plane is ready", "OperationEnded Create is complete")
}

// wantEvents are those that were sent so far, without their types.
func (e *environment) wantEvents(want ...string) {
	e.Helper()
	var got []string
	for len(e.recorder.Events) > 0 {
		_, text, _ := strings.Cut(<-e.recorder.Events, " ")
		got = append(got, text)
	}
	if !slices.Equal(got, want) {
		e.Errorf("events\n%q, want\n%q", got, want)
	}
}

// Pods may be ready whose API answers nobody.
func silenceOfTheAPI(e *environment) {
	e.createCluster(pools(map[string]any{"name": "a"}))
	e.bringUp()
	e.reportAddons(conditions.Unknown(v1alpha1.ConditionAddonsReady, tenantapi.ReasonUnreachable, "the tenant's API server does not answer"))
	e.reconcile()
	want := "Unknown TenantAPIUnreachable: the tenant's API server does not answer"
	e.wantCondition(v1alpha1.ConditionControlPlaneReady, want)
	e.wantCondition(v1alpha1.ConditionReady, want)
	e.reportAddons(conditions.True(v1alpha1.ConditionAddonsReady, "Ready", ""))
	e.reconcile()
	e.wantCondition(v1alpha1.ConditionControlPlaneReady, "True Ready")
	e.wantCondition(v1alpha1.ConditionReady, "True Ready")
}

func refusedPodsAreNamed(e *environment) {
	e.createCluster(pools())
	e.reconcile()
	e.issuePKI()
	e.reconcile()
	set := &appsv1.StatefulSet{}
	e.get(set, e.hosted, "etcd")
	e.create(&corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: e.hosted, Name: "etcd.1"},
		InvolvedObject: corev1.ObjectReference{Kind: "StatefulSet", Namespace: e.hosted, Name: "etcd", UID: set.UID},
		Reason:         "FailedCreate", Type: corev1.EventTypeWarning, LastTimestamp: metav1.Now(),
		Message: `create Pod etcd-0 in StatefulSet etcd failed error: pods "etcd-0" is forbidden: exceeded quota: small`,
	})
	e.reconcile()
	e.wantCondition(v1alpha1.ConditionControlPlaneReady,
		`False FailedCreate: StatefulSet etcd: create Pod etcd-0 in StatefulSet etcd failed error: pods "etcd-0" is forbidden: exceeded quota: small`)
}

// One object that the API does not take keeps no other from being written, and
// is told of.
func refusalIsOfItsObject(e *environment) {
	spec := pools(map[string]any{"name": "a"})
	spec["registries"] = []any{map[string]any{"host": "docker.io", "endpoint": "https://mirror.example.com", "caSecretName": "mirror-ca"}}
	e.createCluster(spec)
	source := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.team, Name: "mirror-ca", Labels: map[string]string{v1alpha1.LabelShareWithWorkers: "true"}},
		Data:       map[string][]byte{"ca.crt": []byte("pem")},
	}
	e.create(source)
	e.bringUp()
	e.wantCondition(v1alpha1.ConditionReady, "True Ready")
	e.wantEvents("OperationBegan Create has begun", "ControlPlaneReady The control plane is ready", "OperationEnded Create is complete")

	copied := &corev1.Secret{}
	e.get(copied, e.hosted, "registry-ca-mirror-ca")
	copied.Immutable = new(true)
	source.Data["ca.crt"] = []byte("another")
	for _, secret := range []*corev1.Secret{copied, source} {
		if err := e.client.Update(e.Context(), secret); err != nil {
			e.Fatal(err)
		}
	}
	e.renew(v1alpha1.SecretAdmin)
	for range 2 {
		_, err := e.reconciler.Reconcile(e.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: e.team, Name: "demo"}})
		if !apierrors.IsInvalid(err) {
			e.Errorf("reconcile: %v, want what the API says, to be tried again", err)
		}
	}
	const said = `ApplyRefused: apply Secret registry-ca-mirror-ca: Secret "registry-ca-mirror-ca" is invalid: ` +
		"data: Forbidden: field is immutable when `immutable` is set"
	e.wantCondition(v1alpha1.ConditionWorkersReady, "False "+said)
	e.wantCondition(v1alpha1.ConditionReady, "False "+said)
	e.wantCondition(v1alpha1.ConditionControlPlaneReady, "True Ready")
	e.wantEvents(strings.Replace(said, ":", "", 1))
	kubeconfig := &corev1.Secret{}
	e.get(kubeconfig, e.team, "demo-kubeconfig")
	config, err := clientcmd.Load(kubeconfig.Data["value"])
	if err != nil {
		e.Fatal(err)
	}
	if got := string(config.AuthInfos["kubernetes-admin.demo."+e.team].ClientCertificateData); got != "renewed certificate of admin" {
		e.Errorf("the kubeconfig has the %q", got)
	}
}
