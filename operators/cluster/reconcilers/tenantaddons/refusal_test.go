package tenantaddons

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestRefusalsNameTheWebhook(t *testing.T) {
	const object = "ConfigMap coredns"
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
			got := refusal(&refusedError{object: object, err: test.err})
			if text := got.Reason + ": " + got.Message; got.Status != metav1.ConditionFalse || text != test.want {
				t.Errorf("\n got %q\nwant %q", text, test.want)
			}
		})
	}
}
