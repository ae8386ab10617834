package main

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"slipway.dev/api/v1alpha1"
)

// neverAnswers is a webhook that hangs.
func neverAnswers(_ http.ResponseWriter, r *http.Request) {
	// Only with nothing left to read does a server notice that its client has gone.
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// fails is a webhook that has broken.
func fails(answer http.ResponseWriter, _ *http.Request) {
	http.Error(answer, "call 555", http.StatusInternalServerError)
}

// webhook of the tenant is asked about every write of a resource.
func (w *world) webhook(t *testing.T, name string, resource schema.GroupResource, serve http.HandlerFunc) (remove func()) {
	t.Helper()
	server := httptest.NewTLSServer(serve)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	configuration := &admissionv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Webhooks: []admissionv1.ValidatingWebhook{{
			Name: name, AdmissionReviewVersions: []string{"v1"}, SideEffects: new(admissionv1.SideEffectClassNone), TimeoutSeconds: new(int32(30)),
			ClientConfig: admissionv1.WebhookClientConfig{
				URL: &server.URL, CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
			},
			Rules: []admissionv1.RuleWithOperations{{
				Operations: []admissionv1.OperationType{admissionv1.OperationAll},
				Rule:       admissionv1.Rule{APIGroups: []string{resource.Group}, APIVersions: []string{"v1"}, Resources: []string{resource.Resource}},
			}},
		}},
	}
	w.create(t, w.tenant, configuration)
	return func() {
		t.Helper()
		w.remove(t, w.tenant, configuration)
	}
}

// saysOfDrain waits for a text in the condition Drained.
func (w *world) saysOfDrain(t *testing.T, machine string, parts ...string) {
	t.Helper()
	reads(t, w.management, w.namespace, machine, &v1alpha1.Machine{}, func(m *v1alpha1.Machine) error {
		drained := meta.FindStatusCondition(m.Status.Conditions, v1alpha1.ConditionDrained)
		if drained == nil {
			return errors.New("it is not drained yet")
		}
		for _, part := range parts {
			if !strings.Contains(drained.Message, part) {
				return fmt.Errorf("%q does not say %q", drained.Message, part)
			}
		}
		return nil
	})
}
