package tenantdns

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	externaldns "sigs.k8s.io/external-dns/apis/v1alpha1"

	"slipway.dev/api/v1alpha1"
)

func TestTenantDNS(t *testing.T) {
	e := newEnvironment(t)
	t.Run("life", e.testLife)
	t.Run("aliases", e.testAliases)
	t.Run("invalid target recovers", e.testInvalidTarget)
	t.Run("another's names", e.testNotHosted)
	t.Run("at rest", e.testAtRest)
	t.Run("removal is bounded", e.testBoundedRemoval)
	t.Run("slow server", e.testSlowServer)
}

func (e *environment) testLife(t *testing.T) {
	tenant := e.createTenant(t, "demo", v1alpha1.TenantDNSSpec{})
	e.awaitReason(t, tenant, "NothingToPublish", "")
	if !meta.IsStatusConditionTrue(tenant.Status.Conditions, v1alpha1.ConditionReady) || tenant.Status.APIName != "" {
		t.Errorf("nothing to publish: %+v", tenant.Status)
	}

	e.patch(t, tenant, func() {
		tenant.Spec.APITargets = []string{"192.0.2.1", "192.0.2.2"}
		tenant.Spec.AppsTargets = []string{"192.0.2.9"}
	})
	e.awaitReason(t, tenant, "WaitingForAuthoritativeServer", apiName+": has no address, should have 192.0.2.1, 192.0.2.2")
	if tenant.Status.APIName != apiName || tenant.Status.AppsName != appsName {
		t.Errorf("names in status: %+v", tenant.Status)
	}
	e.checkEndpoint(t, tenant)

	e.bind.Set(t, apiName, "60 IN A 192.0.2.1")
	e.awaitReason(t, tenant, "WaitingForAuthoritativeServer", apiName+": has 192.0.2.1, should have 192.0.2.1, 192.0.2.2")
	e.bind.Set(t, apiName, "60 IN A 192.0.2.2", "60 IN A 192.0.2.1")
	e.awaitReason(t, tenant, "WaitingForAuthoritativeServer", appsName+": has no address, should have 192.0.2.9")
	e.bind.Set(t, appsName, "60 IN A 192.0.2.9")
	e.awaitReason(t, tenant, "Served", "")

	// What is served must follow the spec before it is Ready again.
	e.patch(t, tenant, func() { tenant.Spec.APITargets = []string{"192.0.2.3"} })
	e.awaitReason(t, tenant, "WaitingForAuthoritativeServer", apiName+": has 192.0.2.1, 192.0.2.2, should have 192.0.2.3")
	e.bind.Stop(t)
	e.awaitReason(t, tenant, "WaitingForAuthoritativeServer", "does not answer")
	e.bind.Run(t)
	e.bind.Set(t, apiName, "60 IN A 192.0.2.3")
	e.awaitReason(t, tenant, "Served", "")
	e.checkEvents(t, tenant, map[string]string{"NamesServed": apiName + ", " + appsName})

	// Deleted, it stays until its names are gone from the server.
	if err := e.client.Delete(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	e.awaitReason(t, tenant, "Deleting", appsName+": still has 192.0.2.9")
	e.awaitNoEndpoint(t, tenant)
	e.bind.Set(t, appsName)
	e.awaitReason(t, tenant, "Deleting", apiName+": still has 192.0.2.3")
	e.bind.Set(t, apiName)
	e.awaitGone(t, tenant)
}

// checkEndpoint looks at the records, and that they are repaired.
func (e *environment) checkEndpoint(t *testing.T, tenant *v1alpha1.TenantDNS) {
	t.Helper()
	endpoint := e.awaitEndpoint(t, tenant)
	if got := endpoint.Spec.Endpoints; len(got) != 2 || got[0].DNSName != apiName || got[1].DNSName != appsName {
		t.Errorf("endpoints are %v", got)
	}
	uid := endpoint.UID
	if err := e.client.Delete(t.Context(), endpoint); err != nil {
		t.Fatal(err)
	}
	e.await(t, "DNSEndpoint is made again", func() (bool, error) {
		err := e.client.Get(t.Context(), client.ObjectKeyFromObject(tenant), endpoint)
		return err == nil && endpoint.UID != uid, client.IgnoreNotFound(err)
	})
}

// testAliases: what is exposed at a host name gets CNAME records.
func (e *environment) testAliases(t *testing.T) {
	const api, apps = "api.alias.team.example.test", "*.apps.alias.team.example.test"
	tenant := e.createTenant(t, "alias", v1alpha1.TenantDNSSpec{
		APITargets: []string{"nodes.example.com"}, AppsTargets: []string{"nodes.example.com"},
	})
	e.awaitReason(t, tenant, "WaitingForAuthoritativeServer", api+": has no address, should have alias nodes.example.com")
	for _, record := range e.awaitEndpoint(t, tenant).Spec.Endpoints {
		if record.RecordType != "CNAME" || len(record.Targets) != 1 || record.Targets[0] != "nodes.example.com" {
			t.Errorf("endpoint %v, want an alias of nodes.example.com", record)
		}
	}
	e.bind.Set(t, api, "60 IN CNAME nodes.example.com.")
	e.bind.Set(t, apps, "60 IN CNAME elsewhere.example.com.")
	e.awaitReason(t, tenant, "WaitingForAuthoritativeServer", apps+": has alias elsewhere.example.com, should have alias nodes.example.com")
	e.bind.Set(t, apps, "60 IN CNAME nodes.example.com.")
	e.awaitReason(t, tenant, "Served", "")

	// No longer exposed, its records are withdrawn, and it is Ready when they are gone.
	e.patch(t, tenant, func() { tenant.Spec.AppsTargets = nil })
	e.awaitReason(t, tenant, "WaitingForAuthoritativeServer", apps+": still has alias nodes.example.com")
	e.bind.Set(t, apps)
	e.awaitReason(t, tenant, "Served", "")
	if tenant.Status.APIName != api || tenant.Status.AppsName != "" {
		t.Errorf("names in status: %+v", tenant.Status)
	}
	e.patch(t, tenant, func() { tenant.Spec.APITargets = nil })
	e.awaitReason(t, tenant, "WaitingForAuthoritativeServer", api+": still has alias nodes.example.com")
	e.awaitNoEndpoint(t, tenant)
	e.bind.Set(t, api)
	e.awaitReason(t, tenant, "NothingToPublish", "")
	e.checkEvents(t, tenant, map[string]string{
		"NamesServed": api + ", " + apps, "NamesWithdrawn": apps,
	})
	// Nothing is left to wait for.
	if err := e.client.Delete(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	e.awaitGone(t, tenant)
}

// checkEvents wants events of these reasons, with these words, and no others.
func (e *environment) checkEvents(t *testing.T, tenant *v1alpha1.TenantDNS, want map[string]string) {
	t.Helper()
	e.await(t, "events tell what happened", func() (bool, error) {
		list := &eventsv1.EventList{}
		if err := e.client.List(t.Context(), list, client.InNamespace(tenant.Namespace)); err != nil {
			return false, err
		}
		seen := map[string]bool{}
		for _, event := range list.Items {
			words, wanted := want[event.Reason]
			if !wanted || event.Regarding.Name != tenant.Name {
				t.Fatalf("event %s: %s", event.Reason, event.Note)
			}
			seen[event.Reason] = seen[event.Reason] || strings.Contains(event.Note, words)
		}
		for reason := range want {
			if !seen[reason] {
				return false, nil
			}
		}
		return true, nil
	})
}

func (e *environment) testInvalidTarget(t *testing.T) {
	tenant := e.createTenant(t, "invalid", v1alpha1.TenantDNSSpec{APITargets: []string{"192.0.2.300"}})
	e.awaitReason(t, tenant, "InvalidSpec", `spec.apiTargets: "192.0.2.300" is neither an IP address nor a host name`)
	e.patch(t, tenant, func() { tenant.Spec.APITargets = nil })
	e.awaitReason(t, tenant, "NothingToPublish", "")
	// Without a record there is nothing to wait for.
	if err := e.client.Delete(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	e.awaitGone(t, tenant)
}

// testNotHosted: a team that may write into its own namespace gets no name of
// another tenant, whatever its namespace says of itself.
func (e *environment) testNotHosted(t *testing.T) {
	victim := v1alpha1.TenantDNSSpec{TenantName: "victim", TenantNamespace: "team", APITargets: []string{"6.6.6.6"}}
	e.createNamespace(t, "attacker", map[string]string{
		v1alpha1.LabelTenant: "attacker", v1alpha1.LabelTenantName: "victim", v1alpha1.LabelTenantNamespace: "team",
	})
	forged := &v1alpha1.TenantDNS{ObjectMeta: metav1.ObjectMeta{Name: "demo", Namespace: "attacker"}, Spec: victim}
	foreign := &externaldns.DNSEndpoint{ObjectMeta: metav1.ObjectMeta{
		Name: "demo", Namespace: "attacker", Labels: map[string]string{v1alpha1.LabelTenant: "attacker"},
	}}
	for _, object := range []client.Object{foreign, forged} {
		if err := e.client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	e.awaitReason(t, forged, "NotHosted", "Namespace attacker is not the hosted namespace of a TenantCluster")
	if err := e.client.Get(t.Context(), client.ObjectKeyFromObject(foreign), foreign); err != nil || len(foreign.Spec.Endpoints) > 0 {
		t.Errorf("a DNSEndpoint that is not the operator's: %v, %v", err, foreign.Spec.Endpoints)
	}

	// What was published for a tenant goes when its namespace is no longer hosted.
	tenant := e.createTenant(t, "victim", v1alpha1.TenantDNSSpec{APITargets: []string{"192.0.2.1"}})
	e.bind.Set(t, "api.victim.team.example.test", "60 IN A 192.0.2.1")
	e.awaitReason(t, tenant, "Served", "")
	e.patch(t, tenant, func() { tenant.Spec.TenantName = "other" })
	e.awaitReason(t, tenant, "NotHosted", "spec names TenantCluster team/other")
	e.awaitNoEndpoint(t, tenant)
	e.patch(t, tenant, func() { tenant.Spec.TenantName = "victim" })
	e.awaitReason(t, tenant, "Served", "")
	namespace := &corev1.Namespace{}
	if err := e.client.Get(t.Context(), client.ObjectKey{Name: tenant.Namespace}, namespace); err != nil {
		t.Fatal(err)
	}
	update := func() {
		t.Helper()
		if err := e.client.Update(t.Context(), namespace); err != nil {
			t.Fatal(err)
		}
	}
	delete(namespace.Annotations, v1alpha1.AnnotationTenantUID)
	update()
	e.awaitReason(t, tenant, "NotHosted", "is not the hosted namespace")
	namespace.Annotations = map[string]string{v1alpha1.AnnotationTenantUID: "uid"}
	update()
	e.awaitReason(t, tenant, "Served", "")
	delete(namespace.Labels, v1alpha1.LabelTenant)
	update()
	e.awaitReason(t, tenant, "NotHosted", "is not the hosted namespace")
	e.awaitNoEndpoint(t, tenant)
	// Its names are another's now: it does not wait for them to go.
	if err := e.client.Delete(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	e.awaitGone(t, tenant)
}

// testAtRest: asking again and again writes nothing.
func (e *environment) testAtRest(t *testing.T) {
	tenant := e.createTenant(t, "rest", v1alpha1.TenantDNSSpec{APITargets: []string{"192.0.2.1"}})
	e.bind.Set(t, "api.rest.team.example.test", "60 IN A 192.0.2.1")
	e.awaitReason(t, tenant, "Served", "")
	key := client.ObjectKeyFromObject(tenant)
	e.await(t, "the cache has the report", func() (bool, error) {
		cached := &v1alpha1.TenantDNS{}
		err := e.cached.Get(t.Context(), key, cached)
		return cached.ResourceVersion == tenant.ResourceVersion, err
	})
	reconcile := func() {
		t.Helper()
		for _, reconciler := range []interface {
			Reconcile(context.Context, ctrl.Request) (ctrl.Result, error)
		}{e.publisher, e.verifier} {
			if _, err := reconciler.Reconcile(t.Context(), ctrl.Request{NamespacedName: key}); err != nil {
				t.Fatal(err)
			}
		}
	}
	reconcile()
	e.checkEvents(t, tenant, map[string]string{"NamesServed": "api.rest.team.example.test"})
	before := e.writes.Load()
	for range 3 {
		reconcile()
	}
	if got := e.writes.Load() - before; got > 0 {
		t.Errorf("%d writes though nothing changed", got)
	}
}

// testSlowServer: questions without an answer keep no records from being published.
func (e *environment) testSlowServer(t *testing.T) {
	for n := range concurrentVerifications {
		e.createTenant(t, fmt.Sprintf("slow-%d", n), v1alpha1.TenantDNSSpec{APITargets: []string{"192.0.2.1"}})
	}
	tenant := e.createTenant(t, "slow-last", v1alpha1.TenantDNSSpec{APITargets: []string{"192.0.2.1"}})
	begin := time.Now()
	e.awaitEndpoint(t, tenant)
	if took := time.Since(begin); took > lookupTimeout {
		t.Errorf("publishing took %s: it waits for answers to other questions", took)
	}
	// Questions have deadlines, so there is a turn for everybody.
	e.awaitReason(t, tenant, "WaitingForAuthoritativeServer", "api.slow-last.team.example.test")
}

func (e *environment) testBoundedRemoval(t *testing.T) {
	tenant := e.createTenant(t, "demo-2", v1alpha1.TenantDNSSpec{APITargets: []string{"192.0.2.1"}})
	const apiName = "api.demo-2.team.example.test"
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
