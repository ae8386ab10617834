package tenantapi

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Write is what a tenant was asked to take.
type Write struct {
	// Object is its name for messages, such as "ConfigMap coredns".
	Object string
	// Resource is the object's, with the subresource after a slash.
	Resource schema.GroupResource
	// Namespace of the object; empty outside of namespaces.
	Namespace string
}

// RefusedError is a write that a tenant did not take.
type RefusedError struct {
	write Write
	err   error
	// webhooks are asked about the write; only of one that took too long.
	webhooks []string
}

func (e *RefusedError) Error() string { return e.err.Error() }
func (e *RefusedError) Unwrap() error { return e.err }

// Refused makes err a RefusedError, and looks, in the time that is left, for what
// has held up the write. It returns nil when err is nil.
func (w Write) Refused(ctx context.Context, c client.Client, err error) error {
	if err == nil {
		return nil
	}
	refused := &RefusedError{write: w, err: err}
	if tooSlow(err) {
		refused.webhooks = w.webhooks(ctx, c)
	}
	return refused
}

func tooSlow(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err)
}

// Reasons of a RefusedError, fit for conditions.
const (
	ReasonWebhook = "TenantWebhook"
	ReasonSlow    = "TenantAPISlow"
	ReasonRefused = "TenantRefused"
	ReasonFailed  = "TenantAPIFailed"
)

// webhookName finds the webhook that an API server speaks of when one refuses a
// request or does not answer.
var webhookName = regexp.MustCompile(`webhook "([^"]{1,253})"`)

// Explain says why the tenant did not take it. Of the tenant's own words it takes
// the name of a webhook, and only one that is a name.
func (e *RefusedError) Explain() (reason, message string) {
	object := e.write.Object
	if tooSlow(e.err) {
		if len(e.webhooks) == 0 {
			return ReasonSlow, fmt.Sprintf("the tenant's API server did not take %s in time", object)
		}
		return ReasonWebhook, e.blame(strings.Join(e.webhooks, " or "), "timed out on")
	}
	var status apierrors.APIStatus
	if !errors.As(e.err, &status) {
		return ReasonFailed, fmt.Sprintf("writing %s failed: the connection to the tenant's API server broke", object)
	}
	message = status.Status().Message
	if match := webhookName.FindStringSubmatch(message); match != nil && len(validation.IsDNS1123Subdomain(match[1])) == 0 {
		if strings.Contains(message, "failed calling webhook") {
			return ReasonWebhook, e.blame(match[1], "timed out or failed on")
		}
		return ReasonWebhook, e.blame(match[1], "refused")
	}
	return ReasonRefused, fmt.Sprintf("the tenant's API server did not take %s: %s", object, plainReason(e.err))
}

// blame says what to do about a webhook: nobody but Slipway and Kubernetes has to
// write into kube-system, and of what is elsewhere only a kind can be left alone.
func (e *RefusedError) blame(webhook, outcome string) string {
	exempt := e.write.Resource.Resource
	if e.write.Namespace == metav1.NamespaceSystem {
		exempt = metav1.NamespaceSystem
	}
	return fmt.Sprintf("webhook %s of the tenant %s %s; remove it or exempt %s", webhook, outcome, e.write.Object, exempt)
}

// plainReason is one of Kubernetes' own, or none.
func plainReason(err error) metav1.StatusReason {
	reason := apierrors.ReasonForError(err)
	switch reason {
	case metav1.StatusReasonForbidden, metav1.StatusReasonInvalid, metav1.StatusReasonUnauthorized, metav1.StatusReasonTimeout,
		metav1.StatusReasonServerTimeout, metav1.StatusReasonInternalError, metav1.StatusReasonTooManyRequests,
		metav1.StatusReasonServiceUnavailable, metav1.StatusReasonConflict, metav1.StatusReasonBadRequest, metav1.StatusReasonNotFound:
		return reason
	default:
		return "for a reason of its own"
	}
}
