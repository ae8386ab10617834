package pki

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
)

// awaited are the sets of Secrets without which a tenant that comes up gets no
// further: guests need the authority, and etcd and the API server what they
// mount. Everything else is needed when the API server answers.
var awaited = [][]string{
	{v1alpha1.SecretCA},
	{v1alpha1.SecretEtcdServer, v1alpha1.SecretEtcdPeer},
	{
		v1alpha1.SecretAPIServer, v1alpha1.SecretAPIServerKubeletClient, v1alpha1.SecretAPIServerEtcdClient,
		v1alpha1.SecretFrontProxyClient, v1alpha1.SecretServiceAccount,
	},
}

// Urgent reports whether somebody waits for what a report says and the status
// before it does not: another generation or verdict, or an awaited set of Secrets
// that is complete and was not, or was with other contents.
func Urgent(before v1alpha1.TenantPKIStatus, report *slipwayac.TenantPKIStatusApplyConfiguration) bool {
	if before.ObservedGeneration != *report.ObservedGeneration {
		return true
	}
	for _, condition := range report.Conditions {
		unchanged := slices.ContainsFunc(before.Conditions, func(c metav1.Condition) bool {
			return c.Type == *condition.Type && c.Status == *condition.Status
		})
		if !unchanged {
			return true
		}
	}
	known, issued := map[string]string{}, map[string]string{}
	for _, secret := range before.Secrets {
		known[secret.Name] = secret.Hash
	}
	for _, secret := range report.Secrets {
		issued[*secret.Name] = *secret.Hash
	}
	for _, set := range awaited {
		missing := slices.ContainsFunc(set, func(name string) bool { return issued[name] == "" })
		differs := slices.ContainsFunc(set, func(name string) bool { return issued[name] != known[name] })
		if !missing && differs {
			return true
		}
	}
	return false
}
