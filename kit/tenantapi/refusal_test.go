package tenantapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestRefusalsNameTheWebhook(t *testing.T) {
	write := Write{Object: "ConfigMap coredns", Resource: schema.GroupResource{Resource: "configmaps"}, Namespace: metav1.NamespaceSystem}
	answer := func(code int32, reason metav1.StatusReason, message string) error {
		return &apierrors.StatusError{ErrStatus: metav1.Status{Code: code, Reason: reason, Message: message}}
	}
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"refused": {
			answer(http.StatusForbidden, metav1.StatusReasonForbidden, `admission webhook "policy.example.com" denied the request: no`),
			"TenantWebhook: webhook policy.example.com of the tenant refused ConfigMap coredns; remove it or exempt kube-system",
		},
		"timed out": {
			answer(http.StatusInternalServerError, metav1.StatusReasonInternalError,
				`Internal error occurred: failed calling webhook "slow.example.com": failed to call webhook: Post "https://x": context deadline exceeded`),
			"TenantWebhook: webhook slow.example.com of the tenant timed out or failed on ConfigMap coredns; remove it or exempt kube-system",
		},
		"a name that is none": {
			answer(http.StatusForbidden, metav1.StatusReasonForbidden, `admission webhook "<b>call 555</b>" denied the request`),
			"TenantRefused: the tenant's API server did not take ConfigMap coredns: Forbidden",
		},
		"a reason that is none": {
			answer(http.StatusForbidden, "call 555", "text"),
			"TenantRefused: the tenant's API server did not take ConfigMap coredns: for a reason of its own",
		},
		"silence": {
			fmt.Errorf("apply: %w", context.DeadlineExceeded),
			"TenantAPISlow: the tenant's API server did not take ConfigMap coredns in time",
		},
		"a broken connection": {errors.New("EOF: tenant's text"), "TenantAPIFailed: writing ConfigMap coredns failed: the connection to the tenant's API server broke"},
		"an endless name": {
			answer(http.StatusForbidden, metav1.StatusReasonForbidden, `admission webhook "`+strings.Repeat("a", 300)+`" denied the request`),
			"TenantRefused: the tenant's API server did not take ConfigMap coredns: Forbidden",
		},
	} {
		t.Run(name, func(t *testing.T) {
			reason, message := (&RefusedError{write: write, err: test.err}).Explain()
			if text := reason + ": " + message; text != test.want {
				t.Errorf("\n got %q\nwant %q", text, test.want)
			}
		})
	}
}

func TestWebhooksThatAreAsked(t *testing.T) {
	inKubeSystem := &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: metav1.NamespaceSystem}}
	eviction := Write{Resource: schema.GroupResource{Resource: "pods/eviction"}, Namespace: "default"}
	token := Write{Resource: schema.GroupResource{Resource: "secrets"}, Namespace: metav1.NamespaceSystem}
	node := Write{Resource: schema.GroupResource{Resource: "nodes"}}
	for name, test := range map[string]struct {
		write      Write
		group      string
		resource   string
		namespaces *metav1.LabelSelector
		want       bool
	}{
		"the resource":                  {token, "", "secrets", nil, true},
		"another resource":              {token, "", "configmaps", nil, false},
		"another group":                 {token, "apps", "secrets", nil, false},
		"all":                           {token, "*", "*", nil, true},
		"its namespace":                 {token, "", "secrets", inKubeSystem, true},
		"another namespace":             {eviction, "", "pods/eviction", inKubeSystem, false},
		"no namespace":                  {node, "", "nodes", inKubeSystem, true},
		"the subresource":               {eviction, "", "pods/eviction", nil, true},
		"all subresources":              {eviction, "", "pods/*", nil, true},
		"that subresource of all":       {eviction, "", "*/eviction", nil, true},
		"resources and subresources":    {eviction, "", "*/*", nil, true},
		"the resource, not that of it":  {eviction, "", "pods", nil, false},
		"all resources, not what is in": {eviction, "", "*", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			rule := admissionv1.RuleWithOperations{Rule: admissionv1.Rule{APIGroups: []string{test.group}, Resources: []string{test.resource}}}
			hook := webhook{"w", []admissionv1.RuleWithOperations{rule}, test.namespaces}
			if got := hook.covers(test.write); got != test.want {
				t.Errorf("covers: %t", got)
			}
		})
	}
}
