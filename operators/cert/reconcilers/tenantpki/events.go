package tenantpki

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cert/pki"
)

// Events tells the readers of events what has happened to a tenant's certificates.
type Events struct {
	events.EventRecorder
}

func (e Events) record(tenant *v1alpha1.TenantPKI, changes pki.Changes) {
	if changes.Issued {
		e.Eventf(tenant, nil, corev1.EventTypeNormal, "Issued", "Issue", "All certificates and keys are there")
	}
	for _, secret := range changes.Renewed {
		e.renewed(tenant, secret)
	}
	if changes.Failed != "" {
		e.Eventf(tenant, nil, corev1.EventTypeWarning, "CertificateNotIssued", "Issue", "%s", changes.Failed)
	}
}

// renewed refers to the Secret: of events that differ in their notes alone, only
// the first is written.
func (e Events) renewed(tenant *v1alpha1.TenantPKI, secret v1alpha1.IssuedSecret) {
	related := &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: tenant.Namespace, Name: secret.Name},
	}
	if secret.NotAfter == nil {
		e.Eventf(tenant, related, corev1.EventTypeNormal, "KeysReplaced", "Issue", "Secret %s has other keys", secret.Name)
		return
	}
	e.Eventf(tenant, related, corev1.EventTypeNormal, "CertificateRenewed", "Issue",
		"Certificate in Secret %s was renewed, valid until %s", secret.Name, secret.NotAfter.UTC().Format(time.RFC3339))
}
