package tenantdns

import (
	"context"
	"os/exec"
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
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	externaldns "sigs.k8s.io/external-dns/apis/v1alpha1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/operator"
	"slipway.dev/kit/testenv"
	"slipway.dev/operators/dns/authority"
	"slipway.dev/operators/dns/bindtest"
)

const (
	apiName  = "api.demo.team.example.test"
	appsName = "*.apps.demo.team.example.test"
)

// environment is an API server and a BIND server, with the operator between
// them. The test does what external-dns does: it carries records over.
type environment struct {
	client client.Client // without a cache
	bind   *bindtest.Server
	ahead  atomic.Int64 // nanoseconds by which the operator's clock is ahead
}

const removalTimeout = 10 * time.Minute

func newEnvironment(t *testing.T) *environment {
	t.Helper()
	e := &environment{}
	config := testenv.Start(t, testenv.SlipwayCRDs(4),
		filepath.Join(moduleDir(t, "sigs.k8s.io/external-dns"), "config", "crd", "standard", "dnsendpoints.externaldns.k8s.io.yaml"))
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, eventsv1.AddToScheme, v1alpha1.AddToScheme, externaldns.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	metav1.AddToGroupVersion(scheme, externaldns.GroupVersion)
	var err error
	if e.client, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		t.Fatal(err)
	}
	cacheOptions, err := CacheOptions()
	if err != nil {
		t.Fatal(err)
	}
	options := operator.Options{MetricsAddress: "0", HealthAddress: "0"}
	manager, err := options.NewManager(testenv.As(t, config, "../../../../charts/dns-operator/templates/clusterrole.yaml"), "dns-operator", scheme, cacheOptions)
	if err != nil {
		t.Fatal(err)
	}
	e.bind = bindtest.Start(t)
	reconciler := &Reconciler{
		Client:         manager.GetClient(),
		Events:         manager.GetEventRecorder("dns-operator"),
		Server:         authority.Server{Address: e.bind.Address},
		BaseDomain:     bindtest.Zone,
		RemovalTimeout: removalTimeout,
		Now:            func() time.Time { return time.Now().Add(time.Duration(e.ahead.Load())) },
	}
	if err := reconciler.SetupWithManager(manager); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- manager.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("manager: %v", err)
		}
	})
	return e
}

func (e *environment) createTenant(t *testing.T, namespace string, spec v1alpha1.TenantDNSSpec) *v1alpha1.TenantDNS {
	t.Helper()
	if err := e.client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		t.Fatal(err)
	}
	tenant := &v1alpha1.TenantDNS{ObjectMeta: metav1.ObjectMeta{Name: "demo", Namespace: namespace}, Spec: spec}
	if err := e.client.Create(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	return tenant
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
		ready := meta.FindStatusCondition(tenant.Status.Conditions, "Ready")
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

func (e *environment) patch(t *testing.T, tenant *v1alpha1.TenantDNS, change func()) {
	t.Helper()
	before := client.MergeFrom(tenant.DeepCopy())
	change()
	if err := e.client.Patch(t.Context(), tenant, before); err != nil {
		t.Fatal(err)
	}
}

func TestTenantDNS(t *testing.T) {
	e := newEnvironment(t)
	t.Run("life", e.testLife)
	t.Run("invalid name recovers", e.testInvalidName)
	t.Run("removal is bounded", e.testBoundedRemoval)
}

func (e *environment) testLife(t *testing.T) {
	tenant := e.createTenant(t, "tenant-demo-00000001", v1alpha1.TenantDNSSpec{TenantName: "demo", TenantNamespace: "team"})
	e.awaitReason(t, tenant, "WaitingForTargets", "spec.apiTargets is empty")
	if tenant.Status.APIName != apiName || tenant.Status.AppsName != appsName {
		t.Errorf("names in status: %+v", tenant.Status)
	}

	e.patch(t, tenant, func() {
		tenant.Spec.APITargets = []string{"192.0.2.1", "192.0.2.2"}
		tenant.Spec.AppsTargets = []string{"192.0.2.9"}
	})
	e.awaitReason(t, tenant, "WaitingForAuthoritativeServer", apiName+": has no address, shall have 192.0.2.1, 192.0.2.2")
	e.checkEndpoint(t, tenant)

	e.bind.Set(t, apiName, "60 IN A 192.0.2.1")
	e.awaitReason(t, tenant, "WaitingForAuthoritativeServer", apiName+": has 192.0.2.1, shall have 192.0.2.1, 192.0.2.2")
	e.bind.Set(t, apiName, "60 IN A 192.0.2.2", "60 IN A 192.0.2.1")
	e.awaitReason(t, tenant, "WaitingForAuthoritativeServer", appsName+": has no address, shall have 192.0.2.9")
	e.bind.Set(t, appsName, "60 IN A 192.0.2.9")
	e.awaitReason(t, tenant, "Served", "")

	// What is served must follow the spec before it is Ready again.
	e.patch(t, tenant, func() { tenant.Spec.APITargets = []string{"192.0.2.3"} })
	e.awaitReason(t, tenant, "WaitingForAuthoritativeServer", apiName+": has 192.0.2.1, 192.0.2.2, shall have 192.0.2.3")
	e.bind.Stop(t)
	e.awaitReason(t, tenant, "WaitingForAuthoritativeServer", "does not answer")
	e.bind.Run(t)
	e.bind.Set(t, apiName, "60 IN A 192.0.2.3")
	e.awaitReason(t, tenant, "Served", "")

	// Deleted, it stays until its names are gone from the server.
	if err := e.client.Delete(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	e.awaitReason(t, tenant, "Deleting", appsName+": still has 192.0.2.9")
	err := e.client.Get(t.Context(), client.ObjectKeyFromObject(tenant), &externaldns.DNSEndpoint{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("DNSEndpoint is still there: %v", err)
	}
	e.bind.Set(t, appsName)
	e.awaitReason(t, tenant, "Deleting", apiName+": still has 192.0.2.3")
	e.bind.Set(t, apiName)
	e.awaitGone(t, tenant)
}

// checkEndpoint looks at the records, and that they are repaired.
func (e *environment) checkEndpoint(t *testing.T, tenant *v1alpha1.TenantDNS) {
	t.Helper()
	endpoint := &externaldns.DNSEndpoint{}
	key := client.ObjectKeyFromObject(tenant)
	if err := e.client.Get(t.Context(), key, endpoint); err != nil {
		t.Fatal(err)
	}
	if got := endpoint.Spec.Endpoints; len(got) != 2 || got[0].DNSName != apiName || got[1].DNSName != appsName {
		t.Errorf("endpoints are %v", got)
	}
	uid := endpoint.UID
	if err := e.client.Delete(t.Context(), endpoint); err != nil {
		t.Fatal(err)
	}
	e.await(t, "DNSEndpoint is made again", func() (bool, error) {
		err := e.client.Get(t.Context(), key, endpoint)
		return err == nil && endpoint.UID != uid, client.IgnoreNotFound(err)
	})
}

func (e *environment) testInvalidName(t *testing.T) {
	tenant := e.createTenant(t, "tenant-demo-00000002", v1alpha1.TenantDNSSpec{TenantName: "de.mo", TenantNamespace: "team"})
	e.awaitReason(t, tenant, "InvalidSpec", `spec.tenantName "de.mo" cannot be part of a DNS name`)
	e.patch(t, tenant, func() { tenant.Spec.TenantName = "demo" })
	e.awaitReason(t, tenant, "WaitingForTargets", "")
	// Without a record there is nothing to wait for.
	if err := e.client.Delete(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	e.awaitGone(t, tenant)
}

func (e *environment) testBoundedRemoval(t *testing.T) {
	tenant := e.createTenant(t, "tenant-demo-00000003",
		v1alpha1.TenantDNSSpec{TenantName: "demo", TenantNamespace: "team", APITargets: []string{"192.0.2.1"}})
	e.bind.Set(t, apiName, "60 IN A 192.0.2.1")
	e.awaitReason(t, tenant, "Served", "")
	if err := e.client.Delete(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	e.awaitReason(t, tenant, "Deleting", apiName+": still has 192.0.2.1")
	e.ahead.Store(int64(removalTimeout))
	e.awaitGone(t, tenant) // although nobody removed the record
	e.await(t, "an event tells what remains", func() (bool, error) {
		list := &eventsv1.EventList{}
		if err := e.client.List(t.Context(), list, client.InNamespace(tenant.Namespace)); err != nil {
			return false, err
		}
		for _, event := range list.Items {
			if event.Reason == "RecordsRemain" && strings.Contains(event.Note, apiName+": still has 192.0.2.1") {
				return true, nil
			}
		}
		return false, nil
	})
}

func moduleDir(t *testing.T, module string) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatalf("find module %s: %v", module, err)
	}
	return strings.TrimSpace(string(out))
}
