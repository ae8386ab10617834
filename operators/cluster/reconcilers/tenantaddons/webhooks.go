package tenantaddons

import (
	"context"
	"slices"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/operators/cluster/addons"
)

const (
	// mostConfigurations are read of each kind, and mostNames named.
	mostConfigurations = 50
	mostNames          = 3
)

// webhook is what webhooks of both kinds have in common.
type webhook struct {
	name       string
	rules      []admissionv1.RuleWithOperations
	namespaces *metav1.LabelSelector
}

// askedAbout names the tenant's webhooks that its API server asks when an object
// of that kind is written: an API server that waits for one in vain does not say
// for which.
func askedAbout(ctx context.Context, c client.Client, kind schema.GroupVersionKind) []string {
	mapping, err := c.RESTMapper().RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil
	}
	var names []string
	for _, hook := range webhooks(ctx, c) {
		if hook.covers(mapping.Resource.GroupResource()) && len(validation.IsDNS1123Subdomain(hook.name)) == 0 {
			names = append(names, hook.name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return names[:min(len(names), mostNames)]
}

// webhooks of the tenant, as far as they can be read.
func webhooks(ctx context.Context, c client.Client) []webhook {
	var result []webhook
	validating := &admissionv1.ValidatingWebhookConfigurationList{}
	if c.List(ctx, validating, client.Limit(mostConfigurations)) == nil {
		for _, configuration := range validating.Items {
			for _, hook := range configuration.Webhooks {
				result = append(result, webhook{hook.Name, hook.Rules, hook.NamespaceSelector})
			}
		}
	}
	mutating := &admissionv1.MutatingWebhookConfigurationList{}
	if c.List(ctx, mutating, client.Limit(mostConfigurations)) == nil {
		for _, configuration := range mutating.Items {
			for _, hook := range configuration.Webhooks {
				result = append(result, webhook{hook.Name, hook.Rules, hook.NamespaceSelector})
			}
		}
	}
	return result
}

// covers reports whether the webhook is asked about a resource in kube-system,
// where the add-ons are, or outside of namespaces.
func (w webhook) covers(resource schema.GroupResource) bool {
	selector, err := metav1.LabelSelectorAsSelector(w.namespaces)
	if err != nil || (w.namespaces != nil && !selector.Matches(labels.Set{corev1.LabelMetadataName: addons.CoreDNSNamespace})) {
		return false
	}
	return slices.ContainsFunc(w.rules, func(rule admissionv1.RuleWithOperations) bool {
		return (slices.Contains(rule.APIGroups, "*") || slices.Contains(rule.APIGroups, resource.Group)) &&
			(slices.Contains(rule.Resources, "*") || slices.Contains(rule.Resources, "*/*") || slices.Contains(rule.Resources, resource.Resource))
	})
}
