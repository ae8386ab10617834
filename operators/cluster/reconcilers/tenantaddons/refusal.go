package tenantaddons

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
)

// refusedError is an add-on that a tenant did not take.
type refusedError struct {
	object string
	err    error
	// webhooks are asked about the object; only of one that took too long.
	webhooks []string
}

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

// refused looks, in the time that is left, for what has held up a write.
func refused(ctx context.Context, c client.Client, object runtime.ApplyConfiguration, err error) error {
	described, ok := object.(interface {
		GetAPIVersion() *string
		GetKind() *string
		GetName() *string
	})
	if !ok {
		return fmt.Errorf("%T has no kind: %w", object, err)
	}
	result := &refusedError{object: *described.GetKind() + " " + *described.GetName(), err: err}
	if tooSlow(err) {
		result.webhooks = askedAbout(ctx, c, schema.FromAPIVersionAndKind(*described.GetAPIVersion(), *described.GetKind()))
	}
	return result
}

func tooSlow(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err)
}

// Reasons of AddonsReady when a tenant does not take an add-on.
const (
	ReasonTenantWebhook = "TenantWebhook"
	ReasonTenantSlow    = "TenantAPISlow"
	ReasonTenantRefused = "TenantRefused"
	ReasonTenantFailed  = "TenantAPIFailed"
)

// webhookName finds the webhook that an API server speaks of when one refuses a
// request or does not answer.
var webhookName = regexp.MustCompile(`webhook "([^"]{1,253})"`)

// refusal says why an add-on was not written. Of the tenant's own words it takes
// the name of a webhook, and only one that is a name.
func refusal(err error) metav1.Condition {
	const conditionType = v1alpha1.ConditionAddonsReady
	object := "an add-on"
	var refused *refusedError
	if errors.As(err, &refused) {
		object = refused.object
	}
	if tooSlow(err) {
		return slowness(object, refused)
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return conditions.False(conditionType, ReasonTenantFailed, fmt.Sprintf("writing %s failed: the connection to the tenant's API server broke", object))
	}
	message := status.Status().Message
	if match := webhookName.FindStringSubmatch(message); match != nil && len(validation.IsDNS1123Subdomain(match[1])) == 0 {
		outcome := "refused"
		if strings.Contains(message, "failed calling webhook") {
			outcome = "timed out or failed on"
		}
		return conditions.False(conditionType, ReasonTenantWebhook, fmt.Sprintf(
			"webhook %s of the tenant %s %s; remove it or exempt kube-system", match[1], outcome, object))
	}
	return conditions.False(conditionType, ReasonTenantRefused, fmt.Sprintf(
		"the tenant's API server did not take %s: %s", object, plainReason(err)))
}

func slowness(object string, refused *refusedError) metav1.Condition {
	if refused == nil || len(refused.webhooks) == 0 {
		return conditions.False(v1alpha1.ConditionAddonsReady, ReasonTenantSlow, fmt.Sprintf(
			"the tenant's API server did not take %s in time", object))
	}
	return conditions.False(v1alpha1.ConditionAddonsReady, ReasonTenantWebhook, fmt.Sprintf(
		"webhook %s of the tenant timed out on %s; remove it or exempt kube-system", strings.Join(refused.webhooks, " or "), object))
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
