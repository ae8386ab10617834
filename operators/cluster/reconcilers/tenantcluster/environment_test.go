package tenantcluster

import (
	"testing"
	"time"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/testenv"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/desired"
	"slipway.dev/operators/cluster/hosted"
)

// environment is a reconciler over a real API server. There are no other
// controllers: tests say what those would report.
type environment struct {
	*testing.T
	config     *rest.Config
	client     client.Client
	reconciler *Reconciler
	clock      *clocktesting.FakePassiveClock
	recorder   *events.FakeRecorder
	// writes is how many requests of the reconciler have changed something or could have.
	writes int
	// behind is what the reconciler sees of the TenantCluster; nil when it sees it as it is.
	behind *v1alpha1.TenantCluster
	// whenWritten is called after each of them.
	whenWritten func()
	// team is the namespace of the test's TenantCluster, hosted that of its control plane.
	team, hosted string
}

// TestReconciler runs all tests of the reconciler on one API server, each in a
// namespace of its own.
func TestReconciler(t *testing.T) {
	ctrl.SetLogger(logr.Discard())
	config := testenv.Start(t, testenv.SlipwayCRDs(4))
	for name, test := range map[string]func(*environment){
		"tenant-comes-up":                     tenantComesUp,
		"kubeconfigs-follow-renewals":         kubeconfigsFollowRenewals,
		"messages-name-what-blocks":           messagesNameWhatBlocks,
		"replicas-belong-to-whoever-scales":   replicasBelongToWhoeverScales,
		"foreign-namespace-is-left-alone":     foreignNamespaceIsLeftAlone,
		"foreign-role-binding-is-named":       foreignRoleBindingIsNamed,
		"tenant-survives-a-lost-grant":        tenantSurvivesALostGrant,
		"unchanged-tenant-causes-no-writes":   unchangedTenantCausesNoWrites,
		"claims-are-left-alone":               claimsAreLeftAlone,
		"pods-that-start-ask-for-more":        podsThatStartAskForMore,
		"ready-is-of-this-generation":         readyIsOfThisGeneration,
		"operations-and-their-timeline":       operationsAndTheirTimeline,
		"events-are-sent-once":                eventsAreSentOnce,
		"silence-of-the-api":                  silenceOfTheAPI,
		"refused-pods-are-named":              refusedPodsAreNamed,
		"refusal-is-of-its-object":            refusalIsOfItsObject,
		"deletion-of-a-running-tenant":        deletionOfARunningTenant,
		"deletion-goes-on-without-what-hangs": deletionGoesOnWithoutWhatHangs,
		"deletion-of-a-half-created-tenant":   deletionOfAHalfCreatedTenant,
		"deletion-without-a-grant":            deletionWithoutAGrant,
		"manager-is-woken-by-everything":      managerIsWokenByEverything,
	} {
		t.Run(name, func(t *testing.T) { test(newEnvironment(t, config, name)) })
	}
}

func newScheme(t testing.TB) *runtime.Scheme {
	t.Helper()
	return testenv.Scheme(t,
		corev1.AddToScheme, eventsv1.AddToScheme, admissionv1.AddToScheme, appsv1.AddToScheme, rbacv1.AddToScheme, v1alpha1.AddToScheme)
}

func newEnvironment(t *testing.T, config *rest.Config, team string) *environment {
	t.Helper()
	c := testenv.Client(t, config, newScheme(t))
	e := &environment{
		T: t, config: config, client: c, clock: clocktesting.NewFakePassiveClock(time.Now()),
		recorder: events.NewFakeRecorder(100), team: team, hosted: v1alpha1.HostedNamespace(team, "demo"),
	}
	counted := e.counting(c)
	e.reconciler = New(counted, hosted.NewReader(counted, counted), hosted.NewGrants(counted, testenv.ChartNamespace), testConfig(), e.clock, e.recorder)
	e.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: team}})
	return e
}

func testConfig() desired.Config {
	return desired.Config{
		Images:       controlplane.Images{Registry: "registry.example.com", EtcdTag: "v3.7.3", CoreDNSTag: "v1.15.0"},
		ExposureHost: "192.0.2.1",
		BaseDomain:   "example.com",
	}
}

// createCluster creates the TenantCluster demo as a user would: with what is
// wanted, and nothing else.
func (e *environment) createCluster(spec map[string]any) {
	e.Helper()
	spec["version"] = "v1.36.3"
	cluster := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	cluster.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("TenantCluster"))
	cluster.SetNamespace(e.team)
	cluster.SetName("demo")
	e.create(cluster)
}

// pools is a spec with node pools, given by their fields.
func pools(pools ...any) map[string]any {
	return map[string]any{"nodePools": pools}
}

func (e *environment) create(objects ...client.Object) {
	e.Helper()
	for _, object := range objects {
		if err := e.client.Create(e.Context(), object); err != nil {
			e.Fatalf("create %T %s: %v", object, object.GetName(), err)
		}
	}
}

func (e *environment) get(object client.Object, namespace, name string) {
	e.Helper()
	if err := e.client.Get(e.Context(), client.ObjectKey{Namespace: namespace, Name: name}, object); err != nil {
		e.Fatalf("get %T %s: %v", object, name, err)
	}
}

func (e *environment) gone(object client.Object, namespace, name string) {
	e.Helper()
	err := e.client.Get(e.Context(), client.ObjectKey{Namespace: namespace, Name: name}, object)
	if client.IgnoreNotFound(err) != nil {
		e.Fatalf("get %T %s: %v", object, name, err)
	}
	if err == nil {
		e.Fatalf("%T %s is still there", object, name)
	}
}

// updateStatus changes the status of an object as its operator would.
func (e *environment) updateStatus(object client.Object, namespace, name string, change func()) {
	e.Helper()
	e.get(object, namespace, name)
	change()
	if err := e.client.Status().Update(e.Context(), object); err != nil {
		e.Fatalf("update status of %T %s: %v", object, name, err)
	}
}

// reconcile runs the reconciler as often as the events of its own writes would.
func (e *environment) reconcile() ctrl.Result {
	e.Helper()
	var result ctrl.Result
	for range 3 {
		result = e.reconcileOnce()
	}
	return result
}

func (e *environment) reconcileOnce() ctrl.Result {
	e.Helper()
	result, err := e.reconciler.Reconcile(e.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: e.team, Name: "demo"}})
	if err != nil {
		e.Fatalf("reconcile: %v", err)
	}
	return result
}

func (e *environment) cluster() *v1alpha1.TenantCluster {
	e.Helper()
	cluster := &v1alpha1.TenantCluster{}
	e.get(cluster, e.team, "demo")
	return cluster
}

// condition returns status, reason and message of a condition in one line.
func (e *environment) condition(conditionType string) string {
	e.Helper()
	condition := meta.FindStatusCondition(e.cluster().Status.Conditions, conditionType)
	if condition == nil {
		return "absent"
	}
	text := string(condition.Status) + " " + condition.Reason
	if condition.Message != "" {
		text += ": " + condition.Message
	}
	return text
}

func (e *environment) wantCondition(conditionType, want string) {
	e.Helper()
	if got := e.condition(conditionType); got != want {
		e.Errorf("condition %s:\n got %q\nwant %q", conditionType, got, want)
	}
}

func ready(generation int64) []metav1.Condition {
	return []metav1.Condition{{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: "Ready",
		ObservedGeneration: generation, LastTransitionTime: metav1.Now(),
	}}
}

func notReady(generation int64, reason, message string) []metav1.Condition {
	return []metav1.Condition{{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: reason, Message: message,
		ObservedGeneration: generation, LastTransitionTime: metav1.Now(),
	}}
}
