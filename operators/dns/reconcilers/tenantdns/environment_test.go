package tenantdns

import (
	"context"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	externaldns "sigs.k8s.io/external-dns/apis/v1alpha1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/testenv"
	"slipway.dev/operators/dns/authority"
	"slipway.dev/operators/dns/bindtest"
	"slipway.dev/operators/dns/zone"
)

const (
	apiName  = "api.demo.team.example.test"
	appsName = "*.apps.demo.team.example.test"
)

// environment is an API server and a BIND server, with the operator between
// them, and its clock. The test does what external-dns does: it carries records over.
type environment struct {
	client client.Client // without a cache
	bind   *bindtest.Server
	ahead  atomic.Int64  // nanoseconds by which the operator's clock is ahead
	writes *atomic.Int64 // of the operator

	cached    client.Client
	publisher *Publisher
	verifier  *Verifier
}

func (e *environment) Now() time.Time                  { return time.Now().Add(time.Duration(e.ahead.Load())) }
func (e *environment) Since(t time.Time) time.Duration { return e.Now().Sub(t) }

const removalTimeout = 10 * time.Minute

func newEnvironment(t *testing.T) *environment {
	t.Helper()
	e := &environment{}
	config := testenv.Start(t, testenv.SlipwayCRDs(4),
		filepath.Join(testenv.ModuleDir(t, "sigs.k8s.io/external-dns"), "config", "crd", "standard", "dnsendpoints.externaldns.k8s.io.yaml"))
	scheme := testenv.Scheme(t, corev1.AddToScheme, eventsv1.AddToScheme, v1alpha1.AddToScheme, externaldns.AddToScheme)
	metav1.AddToGroupVersion(scheme, externaldns.GroupVersion)
	e.client = testenv.Client(t, config, scheme)
	cacheOptions, err := CacheOptions()
	if err != nil {
		t.Fatal(err)
	}
	restricted := testenv.Account(t, config, "../../../../charts/dns-operator", "dns-operator",
		"baseDomain="+bindtest.Zone, "authoritativeServer=ns."+bindtest.Zone+":53")
	e.writes = testenv.CountWrites(restricted)
	manager := testenv.Manager(t, restricted, scheme, cacheOptions, nil)
	e.bind = bindtest.Start(t)
	e.cached = manager.GetClient()
	e.publisher = &Publisher{Client: e.cached, BaseDomain: bindtest.Zone}
	e.verifier = &Verifier{
		Client:         e.cached,
		Live:           manager.GetAPIReader(),
		Events:         Events{EventRecorder: manager.GetEventRecorder("dns-operator")},
		Server:         slowServer{authority.Server{Address: e.bind.Address}},
		BaseDomain:     bindtest.Zone,
		RemovalTimeout: removalTimeout,
		Clock:          e,
	}
	for _, controller := range []interface{ SetupWithManager(ctrl.Manager) error }{e.publisher, e.verifier} {
		if err := controller.SetupWithManager(manager); err != nil {
			t.Fatal(err)
		}
	}
	testenv.Run(t, manager)
	return e
}

// createTenant makes the TenantDNS of a TenantCluster in namespace team.
func (e *environment) createTenant(t *testing.T, name string, spec v1alpha1.TenantDNSSpec) *v1alpha1.TenantDNS {
	t.Helper()
	hosted := v1alpha1.HostedNamespace("team", name)
	e.createNamespace(t, hosted, map[string]string{
		v1alpha1.LabelTenant: hosted, v1alpha1.LabelTenantName: name, v1alpha1.LabelTenantNamespace: "team",
	})
	spec.TenantName, spec.TenantNamespace = name, "team"
	tenant := &v1alpha1.TenantDNS{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: hosted}, Spec: spec}
	if err := e.client.Create(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	return tenant
}

func (e *environment) createNamespace(t *testing.T, name string, labels map[string]string) {
	t.Helper()
	if err := e.client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: labels, Annotations: map[string]string{v1alpha1.AnnotationTenantUID: "uid"},
	}}); err != nil {
		t.Fatal(err)
	}
}

func (e *environment) await(t *testing.T, what string, wanted func() (bool, error)) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, time.Minute, true,
		func(context.Context) (bool, error) { return wanted() })
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func (e *environment) awaitReason(t *testing.T, tenant *v1alpha1.TenantDNS, reason, message string) {
	t.Helper()
	e.await(t, "condition Ready is "+reason+" "+message, func() (bool, error) {
		if err := e.client.Get(t.Context(), client.ObjectKeyFromObject(tenant), tenant); err != nil {
			return false, err
		}
		ready := meta.FindStatusCondition(tenant.Status.Conditions, v1alpha1.ConditionReady)
		return ready != nil && ready.Reason == reason && strings.Contains(ready.Message, message) &&
			ready.ObservedGeneration == tenant.Generation, nil
	})
}

func (e *environment) awaitGone(t *testing.T, tenant *v1alpha1.TenantDNS) {
	t.Helper()
	e.await(t, "TenantDNS is gone", func() (bool, error) {
		err := e.client.Get(t.Context(), client.ObjectKeyFromObject(tenant), tenant)
		return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
	})
}

func (e *environment) awaitEndpoint(t *testing.T, tenant *v1alpha1.TenantDNS) *externaldns.DNSEndpoint {
	t.Helper()
	endpoint := &externaldns.DNSEndpoint{}
	e.await(t, "DNSEndpoint is made", func() (bool, error) {
		err := e.client.Get(t.Context(), client.ObjectKeyFromObject(tenant), endpoint)
		return err == nil, client.IgnoreNotFound(err)
	})
	return endpoint
}

func (e *environment) awaitNoEndpoint(t *testing.T, tenant *v1alpha1.TenantDNS) {
	t.Helper()
	e.await(t, "DNSEndpoint is gone", func() (bool, error) {
		err := e.client.Get(t.Context(), client.ObjectKeyFromObject(tenant), &externaldns.DNSEndpoint{})
		return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
	})
}

func (e *environment) patch(t *testing.T, tenant *v1alpha1.TenantDNS, change func()) {
	t.Helper()
	before := client.MergeFrom(tenant.DeepCopy())
	change()
	if err := e.client.Patch(t.Context(), tenant, before); err != nil {
		t.Fatal(err)
	}
}

// slowServer never answers for tenants whose name begins with slow.
type slowServer struct{ authority.Server }

func (s slowServer) Lookup(ctx context.Context, name string) (zone.Target, error) {
	if strings.Contains(name, ".slow") {
		<-ctx.Done()
		return zone.Target{}, ctx.Err()
	}
	return s.Server.Lookup(ctx, name)
}
