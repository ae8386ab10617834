package machine_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/tenantapi"
	"slipway.dev/operators/kvm/tenant"
)

// A tenant's own webhook, and what else of a tenant is in the way, is named.
func TestRefusals(t *testing.T) {
	s := newSuite(t)
	t.Run("of a token", s.testTokenRefused)
	t.Run("of a token's removal", s.testRemovalRefused)
	t.Run("of a Node", s.testCordonRefused)
	t.Run("of an eviction", s.testEvictionRefused)
	t.Run("of certificates", s.testCertificateRefused)
	t.Run("of a quota", s.testQuota)
	t.Run("of a tenant that holds too much", s.testTooMuch)
}

// denied is what an API server answers when a webhook has refused.
func denied() error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: `admission webhook "policy.example.com" denied the request: call 555`,
	}}
}

func (s *suite) testTokenRefused(t *testing.T) {
	m := s.booted(t, "token", func(m *subject) {
		m.tenants.set(s, interceptor.Funcs{
			Apply: func(context.Context, client.WithWatch, runtime.ApplyConfiguration, ...client.ApplyOption) error {
				return denied()
			},
		})
		m.refused = true
	})
	m.reconcile(t)
	names(t, m.expect(t, "refused", v1alpha1.ConditionBootstrapReady, metav1.ConditionFalse, "TokenNotWritten"),
		"webhook policy.example.com of the tenant refused Secret bootstrap-token-", "; remove it or exempt kube-system")
	defer m.occupy(t)()
	m.refused = false // who is not asked does not refuse
	m.reconcile(t)
	names(t, m.expect(t, "refused and busy", v1alpha1.ConditionBootstrapReady, metav1.ConditionFalse, "TokenNotWritten"), "policy.example.com")
}

// testRemovalRefused: a worker that has joined is not less ready because its token is still there.
func (s *suite) testRemovalRefused(t *testing.T) {
	m := s.booted(t, "removal")
	m.tenants.set(s, interceptor.Funcs{
		Delete: func(context.Context, client.WithWatch, client.Object, ...client.DeleteOption) error { return denied() },
	})
	m.refused = true
	m.join(t)
	for range 3 {
		m.reconcile(t)
	}
	m.expect(t, "refused", v1alpha1.ConditionBootstrapReady, metav1.ConditionTrue, "TokenNotRemoved")
	m.expect(t, "refused", v1alpha1.ConditionReady, metav1.ConditionTrue, "Ready")
	m.tenants.set(s, interceptor.Funcs{})
	m.refused = false
	m.reconcile(t)
	m.expect(t, "removed", v1alpha1.ConditionBootstrapReady, metav1.ConditionTrue, "NodeJoined")
}

// testCertificateRefused: the status says of a worker that gets no certificate why.
func (s *suite) testCertificateRefused(t *testing.T) {
	m := s.booted(t, "certificate")
	refusals := m.reconciler.Refusals
	refusals.Add(t.Context(), m.key, tenant.Refusal{Request: "csr-1", Signer: "client", Message: "CertificateSigningRequest csr-1 is left pending: no"})
	m.reconcile(t)
	for _, conditionType := range []string{v1alpha1.ConditionNodeReady, v1alpha1.ConditionReady} {
		names(t, m.expect(t, "no client certificate", conditionType, metav1.ConditionFalse, "NotRegistered"),
			"Node "+m.key.Name+" has not registered yet; CertificateSigningRequest csr-1 is left pending: no")
	}
	m.join(t)
	refusals.Approved(t.Context(), m.key, "client")
	refusals.Add(t.Context(), m.key, tenant.Refusal{Request: "csr-2", Signer: "serving", Message: "webhook policy.example.com of the tenant refused it"})
	for range 3 {
		m.reconcile(t)
	}
	names(t, m.expect(t, "no serving certificate", v1alpha1.ConditionNodeReady, metav1.ConditionTrue, "NodeReady"), "webhook policy.example.com of the tenant")
	m.expect(t, "it runs pods nevertheless", v1alpha1.ConditionReady, metav1.ConditionTrue, "Ready")
	refusals.Approved(t.Context(), m.key, "serving")
	m.reconcile(t)
	if ready := m.expect(t, "approved", v1alpha1.ConditionNodeReady, metav1.ConditionTrue, "NodeReady"); ready.Message != "" {
		t.Errorf("NodeReady still says %q", ready.Message)
	}
}

func (s *suite) testCordonRefused(t *testing.T) {
	m := s.ready(t, "cordon")
	m.tenants.set(s, interceptor.Funcs{
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return denied()
		},
	})
	m.delete(t)
	m.reconcile(t)
	drained := m.expect(t, "refused", v1alpha1.ConditionDrained, metav1.ConditionFalse, "Draining")
	names(t, drained, "webhook policy.example.com of the tenant refused Node "+m.key.Name+"; remove it or exempt nodes")
	defer m.occupy(t)()
	m.reconcile(t)
	if busy := m.expect(t, "refused and busy", v1alpha1.ConditionDrained, metav1.ConditionFalse, "Draining"); busy != drained {
		t.Errorf("Drained is %+v, want %+v as before", busy, drained)
	}
}

func (s *suite) testEvictionRefused(t *testing.T) {
	m := s.ready(t, "eviction")
	s.create(t, pod("guarded", m.key.Name))
	m.tenants.set(s, interceptor.Funcs{
		SubResourceCreate: func(context.Context, client.Client, string, client.Object, client.Object, ...client.SubResourceCreateOption) error {
			return denied()
		},
	})
	m.delete(t)
	m.reconcile(t)
	names(t, m.expect(t, "refused", v1alpha1.ConditionDrained, metav1.ConditionFalse, "Draining"),
		"webhook policy.example.com of the tenant refused the eviction of Pod default/guarded; remove it or exempt pods/eviction")
}

func (s *suite) testTooMuch(t *testing.T) {
	down := &tenantapi.NotConnectedError{Reason: tenantapi.ReasonTooManyObjects, Message: "the tenant has more than 2000 Nodes"}
	m := s.booted(t, "much", func(m *subject) { m.tenants.down = down })
	names(t, m.expect(t, "no token yet", v1alpha1.ConditionBootstrapReady, metav1.ConditionFalse, "WaitingForTenantAPI"), down.Message)
	names(t, m.expect(t, "no Node yet", v1alpha1.ConditionNodeReady, metav1.ConditionUnknown, down.Reason), down.Message)
}

// testQuota has a quota refuse the Secret with the bootstrap data.
func (s *suite) testQuota(t *testing.T) {
	m := s.hosted(t, "quota")
	m.reconcile(t)
	m.allocate(t)
	none := corev1.ResourceList{"count/secrets": resource.MustParse("0")}
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: m.key.Namespace, Name: "few"}, Spec: corev1.ResourceQuotaSpec{Hard: none},
	}
	s.create(t, quota)
	quota.Status = corev1.ResourceQuotaStatus{Hard: none, Used: none}
	s.update(t, quota)
	m.refused = true
	m.reconcile(t)
	for _, conditionType := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionBootstrapReady, v1alpha1.ConditionGuestRunning} {
		names(t, m.expect(t, "no bootstrap data", conditionType, metav1.ConditionFalse, "Refused"),
			"Secret "+m.key.Name+"-bootstrap", "exceeded quota: few")
	}
	m.expect(t, "the NIC is there", v1alpha1.ConditionNetworkReady, metav1.ConditionTrue, "Allocated")
}

func names(t *testing.T, condition metav1.Condition, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(condition.Message, part) {
			t.Errorf("%s says %q, want %q in it", condition.Type, condition.Message, part)
		}
	}
}
