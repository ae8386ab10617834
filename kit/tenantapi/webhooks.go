package tenantapi

import (
	"context"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"
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

// webhooks names those of the tenant that its API server asks about the write: an
// API server that waits for one in vain does not say for which.
func (w Write) webhooks(ctx context.Context, c client.Client) []string {
	var names []string
	for _, hook := range webhooks(ctx, c) {
		if hook.covers(w) && len(validation.IsDNS1123Subdomain(hook.name)) == 0 {
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

// covers reports whether the webhook is asked about a write. Of the labels by
// which it may choose namespaces only the one is known that all have.
func (w webhook) covers(write Write) bool {
	selector, err := metav1.LabelSelectorAsSelector(w.namespaces)
	if err != nil {
		return false
	}
	if write.Namespace != "" && w.namespaces != nil && !selector.Matches(labels.Set{corev1.LabelMetadataName: write.Namespace}) {
		return false
	}
	resource, subresource, _ := strings.Cut(write.Resource.Resource, "/")
	all := []string{"*/*", write.Resource.Resource}
	if subresource == "" {
		all = append(all, "*")
	} else {
		all = append(all, resource+"/*", "*/"+subresource)
	}
	return slices.ContainsFunc(w.rules, func(rule admissionv1.RuleWithOperations) bool {
		return (slices.Contains(rule.APIGroups, "*") || slices.Contains(rule.APIGroups, write.Resource.Group)) &&
			slices.ContainsFunc(all, func(pattern string) bool { return slices.Contains(rule.Resources, pattern) })
	})
}
