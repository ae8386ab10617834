package machine_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/tenantapi"
)

func TestReconcile(t *testing.T) {
	s := newSuite(t)
	t.Run("at rest nothing is written", s.testAtRest)
	t.Run("a NIC asks for the address that it had", s.testAddressIsKept)
	t.Run("what a lost tenant said is unknown", s.testLostTenant)
	t.Run("counts in hosted namespaces only", s.testNotHosted)
	t.Run("images have digests", s.testImage)
	t.Run("a guest that does not join is started anew", s.testDoesNotJoin)
	t.Run("a token is written once", s.testTokenIsWrittenOnce)
	t.Run("a Node that was removed comes back", s.testNodeComesBack)
	t.Run("registries are as their Secrets say now", s.testRegistriesAreShared)
	t.Run("what has changed did so by the operator's clock", s.testClock)
	t.Run("a drain is bounded", s.testDrainIsBounded)
	t.Run("a drain that the tenant hinders ends in time", s.testDrainEnds)
	t.Run("a pool's drain takes as long as it says", s.testDrainTimeoutOfPool)
	t.Run("a worker is drained although its kubeconfig is lost", s.testLostKubeconfig)
	t.Run("a tenant that is busy is asked later", s.testBusy)
	t.Run("what is known of a tenant that is busy stays", s.testBusyKnows)
}

func (s *suite) testAtRest(t *testing.T) {
	m := s.ready(t, "rest")
	before := s.writes.Load()
	for range 3 {
		m.reconcile(t)
	}
	if wrote := s.writes.Load() - before; wrote > 0 {
		t.Errorf("%d writes to a Machine at rest", wrote)
	}
}

// testAddressIsKept loses the status of a NIC, then the NIC, as restored backups do.
func (s *suite) testAddressIsKept(t *testing.T) {
	m := s.ready(t, "restored")
	port := &v1alpha1.NetworkPort{}
	asks := func(what string) {
		t.Helper()
		m.reconcile(t)
		s.get(t, m.key, port)
		if port.Spec.IPAddress != "10.200.0.16" {
			t.Errorf("%s: the port asks for %q, want what the guest has", what, port.Spec.IPAddress)
		}
		if known := m.get(t).Status.IPAddress; known != "10.200.0.16" {
			t.Errorf("%s: the Machine says %q, want what the guest has", what, known)
		}
	}
	asks("in use")
	identity := port.Status
	port.Status = v1alpha1.NetworkPortStatus{}
	s.update(t, port)
	asks("without status")
	port.Status = identity
	s.update(t, port)
	m.reconcile(t)
	if err := s.client.Delete(t.Context(), port); err != nil {
		t.Fatal(err)
	}
	asks("made anew")
}

func (s *suite) testLostTenant(t *testing.T) {
	m := s.ready(t, "lost")
	lost := &tenantapi.NotConnectedError{Reason: tenantapi.ReasonUnreachable, Message: "it does not answer"}
	for _, step := range []struct {
		what   string
		down   *tenantapi.NotConnectedError
		status metav1.ConditionStatus
		reason string
	}{
		{"a connection that is being made is no news", &tenantapi.NotConnectedError{Reason: tenantapi.ReasonConnecting}, metav1.ConditionTrue, "Ready"},
		{"lost", lost, metav1.ConditionUnknown, tenantapi.ReasonUnreachable},
		{"still lost, and this operator restarts", &tenantapi.NotConnectedError{Reason: tenantapi.ReasonConnecting}, metav1.ConditionUnknown, tenantapi.ReasonUnreachable},
		{"back", nil, metav1.ConditionTrue, "Ready"},
	} {
		m.tenants.down = step.down
		m.reconcile(t)
		m.expect(t, step.what, v1alpha1.ConditionReady, step.status, step.reason)
	}
	// Whatever is not known is no reason to touch a guest.
	m.tenants.down = lost
	s.clock.SetTime(s.clock.Now().Add(time.Hour))
	m.reconcile(t)
	if err := s.client.Get(t.Context(), m.key, &kubevirtv1.VirtualMachineInstance{}); err != nil {
		t.Errorf("the guest of a Machine whose tenant is lost: %v", err)
	}
}

func (s *suite) testNotHosted(t *testing.T) {
	m := s.machine(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team-own"}})
	m.reconcile(t)
	m.expect(t, "made by a team", v1alpha1.ConditionReady, metav1.ConditionFalse, "NotHosted")
	ports := &v1alpha1.NetworkPortList{}
	if err := s.client.List(t.Context(), ports, client.InNamespace("team-own")); err != nil || len(ports.Items) > 0 {
		t.Errorf("it has %d NICs, %v", len(ports.Items), err)
	}
}

func (s *suite) testDoesNotJoin(t *testing.T) {
	m := s.booted(t, "hangs")
	m.reconcile(t)
	m.reconcile(t)
	s.clock.SetTime(s.clock.Now().Add(joinTimeout - time.Minute))
	if again := m.reconcile(t); again <= 0 || again > 2*time.Minute {
		t.Errorf("comes again after %s, want when the guest's time is up", again)
	}
	guest := &kubevirtv1.VirtualMachineInstance{}
	if err := s.client.Get(t.Context(), m.key, guest); err != nil {
		t.Fatalf("a guest with a minute left: %v", err)
	}
	s.clock.SetTime(s.clock.Now().Add(3 * time.Minute))
	m.reconcile(t)
	if err := s.client.Get(t.Context(), m.key, guest); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("a guest whose time is up: %v, want that it is gone", err)
	}
}

// testClock: a guest's time begins by the clock by which it ends.
func (s *suite) testClock(t *testing.T) {
	m := s.booted(t, "clock", func(*subject) { s.clock.SetTime(time.Now().Add(time.Hour)) })
	issued := m.expect(t, "an hour ahead", v1alpha1.ConditionBootstrapReady, metav1.ConditionTrue, "TokenIssued")
	if want := s.clock.Now().Truncate(time.Second); !issued.LastTransitionTime.Time.Equal(want) {
		t.Errorf("BootstrapReady since %s, want %s", issued.LastTransitionTime, want)
	}
	m.reconcile(t)
	if again := m.reconcile(t); again < joinTimeout-time.Second {
		t.Errorf("the guest has %s left, want all of its time", again)
	}
}

// testDrainIsBounded has more pods on a Node than are evicted in one step.
func (s *suite) testDrainIsBounded(t *testing.T) {
	m := s.ready(t, "crowded")
	const pods = 150
	for n := range pods {
		s.create(t, pod(fmt.Sprintf("crowd-%d", n), m.key.Name))
	}
	ended := pod("ended", m.key.Name)
	s.create(t, ended)
	ended.Status.Phase = corev1.PodSucceeded
	s.update(t, ended)
	var underWay, most, asked atomic.Int32
	m.tenants.set(s, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			if _, ok := list.(*metav1.PartialObjectMetadataList); !ok {
				t.Errorf("%T is read, of which the tenant chooses the size", list)
			}
			err := c.List(ctx, list, options...)
			if n := meta.LenList(list); n > 10 {
				t.Errorf("%d objects in one answer", n)
			}
			return err
		},
		SubResourceCreate: func(ctx context.Context, c client.Client, sub string, o, eviction client.Object, options ...client.SubResourceCreateOption) error {
			asked.Add(1)
			now := underWay.Add(1)
			defer underWay.Add(-1)
			for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
			}
			return c.SubResource(sub).Create(ctx, o, eviction, options...)
		},
	})
	m.delete(t)
	again := m.reconcile(t)
	if most.Load() > 8 || asked.Load() > 120 || asked.Load() < 100 {
		t.Errorf("%d evictions in one step, %d at once; want some hundred, at most 8 at once", asked.Load(), most.Load())
	}
	if again <= 0 || again > 2*time.Second {
		t.Errorf("comes again after %s", again)
	}
	// Two more do on a machine that is not busy: a step has as long as a call to a tenant may take.
	for steps := 0; steps < 50 && !meta.IsStatusConditionTrue(m.get(t).Status.Conditions, v1alpha1.ConditionDrained); steps++ {
		m.reconcile(t)
	}
	left := &corev1.PodList{}
	if err := s.client.List(t.Context(), left, client.MatchingFields{"spec.nodeName": m.key.Name}); err != nil || len(left.Items) != 1 || left.Items[0].Name != ended.Name {
		t.Errorf("%d pods are left on the Node, %v; want the one that has ended", len(left.Items), err)
	}
	m.expect(t, "all have left", v1alpha1.ConditionDrained, metav1.ConditionTrue, "Drained")
}

// testDrainEnds: webhooks that fail do not keep a Machine.
func (s *suite) testDrainEnds(t *testing.T) {
	m := s.ready(t, "hindered")
	s.create(t, pod("held", m.key.Name))
	refuse := func() error { return fmt.Errorf("failed calling webhook: %s", strings.Repeat("x", 10_000)) }
	m.tenants.set(s, interceptor.Funcs{
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return refuse()
		},
		SubResourceCreate: func(context.Context, client.Client, string, client.Object, client.Object, ...client.SubResourceCreateOption) error {
			return refuse()
		},
	})
	m.delete(t)
	m.reconcile(t)
	drained := m.expect(t, "hindered", v1alpha1.ConditionDrained, metav1.ConditionFalse, "Draining")
	if len(drained.Message) > 500 {
		t.Errorf("a message of %d bytes", len(drained.Message))
	}
	s.clock.SetTime(s.clock.Now().Add(drainTimeout + time.Minute))
	m.reconcile(t)
	m.expect(t, "time is up", v1alpha1.ConditionDrained, metav1.ConditionFalse, "TimedOut")
}

func (s *suite) testDrainTimeoutOfPool(t *testing.T) {
	m := s.ready(t, "patient")
	s.create(t, pod("slow", m.key.Name), &v1alpha1.NodePool{
		ObjectMeta: metav1.ObjectMeta{Namespace: m.key.Namespace, Name: "a"},
		Spec:       v1alpha1.NodePoolSpec{Template: m.get(t).Spec, DrainTimeoutSeconds: new(int32(600))},
	})
	m.tenants.set(s, interceptor.Funcs{
		SubResourceCreate: func(context.Context, client.Client, string, client.Object, client.Object, ...client.SubResourceCreateOption) error {
			return nil // accepted, and the pod takes its time
		},
	})
	m.delete(t)
	m.reconcile(t)
	s.clock.SetTime(s.clock.Now().Add(drainTimeout + time.Minute))
	m.reconcile(t)
	m.expect(t, "longer than others", v1alpha1.ConditionDrained, metav1.ConditionFalse, "Draining")
	s.clock.SetTime(s.clock.Now().Add(10 * time.Minute))
	m.reconcile(t)
	left := m.expect(t, "time is up", v1alpha1.ConditionDrained, metav1.ConditionFalse, "TimedOut")
	if !strings.Contains(left.Message, "default/slow") {
		t.Errorf("a pod that is cut short is not named: %q", left.Message)
	}
}

// testLostKubeconfig: that the tenant cannot be reached is no sign that there is no Node.
func (s *suite) testLostKubeconfig(t *testing.T) {
	m := s.ready(t, "kubeconfig")
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: m.key.Namespace, Name: v1alpha1.SecretKVMOperatorKubeconfig}}
	if err := s.client.Delete(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	m.delete(t)
	if again := m.reconcile(t); again <= 0 {
		t.Error("it is not looked at again")
	}
	m.expect(t, "lost", v1alpha1.ConditionDrained, metav1.ConditionFalse, "Draining")
	if err := s.client.Get(t.Context(), m.key, &kubevirtv1.VirtualMachine{}); err != nil {
		t.Errorf("the guest of a worker that was not drained: %v", err)
	}
}

// testBusy: a tenant that is asked enough already is left alone, which is no error.
func (s *suite) testBusy(t *testing.T) {
	var release func()
	m := s.booted(t, "busy", func(m *subject) { release = m.occupy(t) })
	defer release()
	if again := m.reconcile(t); again <= 0 || again > 2*time.Second {
		t.Errorf("comes again after %s, want when the tenant may be asked again", again)
	}
	m.expect(t, "it never had a token", v1alpha1.ConditionBootstrapReady, metav1.ConditionFalse, "WaitingForTenantAPI")
}

// testBusyKnows: a tenant that cannot be asked now takes nothing back, above all
// not the time since which a guest could have joined.
func (s *suite) testBusyKnows(t *testing.T) {
	m := s.booted(t, "knows")
	issued := m.expect(t, "asked", v1alpha1.ConditionBootstrapReady, metav1.ConditionTrue, "TokenIssued")
	m.tenants.set(s, interceptor.Funcs{}) // over another connection, it is written again
	defer m.occupy(t)()
	m.reconcile(t)
	if busy := m.expect(t, "busy", v1alpha1.ConditionBootstrapReady, metav1.ConditionTrue, "TokenIssued"); busy != issued {
		t.Errorf("BootstrapReady is %+v, want %+v as before", busy, issued)
	}
}

// occupy makes as many calls in the tenant as may be under way, until they are released.
func (m *subject) occupy(t *testing.T) (release func()) {
	t.Helper()
	released, ended := make(chan struct{}), make(chan error, 2)
	for range cap(ended) {
		begun := make(chan struct{})
		go func() {
			ended <- m.tenants.tenant.Do(t.Context(), func(context.Context, client.Client) error {
				close(begun)
				<-released
				return nil
			})
		}()
		<-begun
	}
	return func() {
		close(released)
		for range cap(ended) {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
}

func pod(name, node string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: corev1.PodSpec{
			NodeName: node, AutomountServiceAccountToken: new(false), TerminationGracePeriodSeconds: new(int64(0)),
			Containers: []corev1.Container{{Name: "c", Image: "i"}},
		},
	}
}
