package pki

import (
	"fmt"
	"slices"
	"strings"
	"time"

	cmv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
)

// Reasons of the condition Ready.
const (
	reasonIssued          = "Issued"
	reasonInvalidSpec     = "InvalidSpec"
	reasonNotHosted       = "NotHosted"
	reasonWaitCertificate = "WaitingForCertificate"
	reasonWaitSecret      = "WaitingForSecret"
	reasonNotIssued       = "CertificateNotIssued"
)

// Observed is what the API server has of a tenant's PKI. Secrets are digested.
type Observed struct {
	Issuers      []*cmv1.Issuer
	Certificates []*cmv1.Certificate
	Secrets      []*corev1.Secret
}

// Report is the status of a tenant whose desired objects have been applied. The
// state of a certificate that this has changed is not known until it is observed
// again.
func Report(tenant *v1alpha1.TenantPKI, applied Desired, observed Observed) *slipwayac.TenantPKIApplyConfiguration {
	certificates, secrets := byName(observed.Certificates), byName(observed.Secrets)
	var parts []metav1.Condition
	var expiring []string
	for _, d := range applied.Certificates {
		name := *d.GetName()
		if why := failure(certificates[name]); why != "" {
			expiring = append(expiring, fmt.Sprintf("Certificate %s is valid and could not be renewed: %s", name, why))
		}
		parts = append(parts, certificateCondition(name, d.Generation, certificates[name]), secretCondition(name, secrets[name]))
	}
	parts = append(parts, secretCondition(v1alpha1.SecretServiceAccount, secrets[v1alpha1.SecretServiceAccount]))
	ready := conditions.Summary(v1alpha1.ConditionReady, reasonIssued, parts...)
	if ready.Status == metav1.ConditionTrue && len(expiring) > 0 {
		ready.Message = expiring[0]
	}
	return report(tenant, observed, ready)
}

// ReportInvalid is the status of a tenant whose spec cannot be fulfilled.
func ReportInvalid(tenant *v1alpha1.TenantPKI, observed Observed, cause error) *slipwayac.TenantPKIApplyConfiguration {
	return report(tenant, observed, conditions.False(v1alpha1.ConditionReady, reasonInvalidSpec, cause.Error()))
}

// ReportRefused is the status of a tenant of which the API server has not taken an
// object; refused says why.
func ReportRefused(tenant *v1alpha1.TenantPKI, observed Observed, refused metav1.Condition) *slipwayac.TenantPKIApplyConfiguration {
	return report(tenant, observed, refused)
}

// ReportNotHosted is the status of a TenantPKI that does not count where it is.
func ReportNotHosted(tenant *v1alpha1.TenantPKI) *slipwayac.TenantPKIApplyConfiguration {
	return report(tenant, Observed{}, conditions.False(v1alpha1.ConditionReady, reasonNotHosted, fmt.Sprintf(
		"Namespace %s is not the hosted namespace of a TenantCluster; create a TenantCluster, which gets its TenantPKI from the cluster-operator", tenant.Namespace)))
}

// report lists every Secret that can be used, also one that is about to be
// replaced: until then its certificate is good.
func report(tenant *v1alpha1.TenantPKI, observed Observed, ready metav1.Condition) *slipwayac.TenantPKIApplyConfiguration {
	status := slipwayac.TenantPKIStatus().
		WithObservedGeneration(tenant.Generation).
		WithConditions(conditions.Apply(tenant.Status.Conditions, tenant.Generation, ready)...)
	for _, secret := range observed.Secrets {
		if secret.Annotations[annotationHash] == "" || secret.DeletionTimestamp != nil {
			continue
		}
		issued := slipwayac.IssuedSecret().WithName(secret.Name).WithHash(secret.Annotations[annotationHash])
		if notAfter, err := time.Parse(time.RFC3339, secret.Annotations[annotationNotAfter]); err == nil {
			issued.WithNotAfter(metav1.NewTime(notAfter))
			if status.NotAfter == nil || notAfter.Before(status.NotAfter.Time) {
				status.WithNotAfter(*issued.NotAfter)
			}
		}
		status.WithSecrets(issued)
	}
	slices.SortFunc(status.Secrets, func(a, b slipwayac.IssuedSecretApplyConfiguration) int {
		return strings.Compare(*a.Name, *b.Name)
	})
	return slipwayac.TenantPKI(tenant.Name, tenant.Namespace).WithStatus(status)
}

// certificateCondition is true when cert-manager says of the present
// generation of the certificate that its Secret fulfils it. applied is the
// generation that was just written; nil when nothing had to be.
func certificateCondition(name string, applied *int64, certificate *cmv1.Certificate) metav1.Condition {
	blocked := func(why string) metav1.Condition {
		return conditions.False(v1alpha1.ConditionReady, reasonWaitCertificate, fmt.Sprintf("Certificate %s: %s", name, why))
	}
	if certificate == nil {
		return blocked("not observed yet")
	}
	changing := applied != nil && *applied != certificate.Generation
	ready, failed := find(certificate, cmv1.CertificateConditionReady), failure(certificate)
	switch {
	case changing || ready == nil || ready.ObservedGeneration != certificate.Generation:
		return blocked("waiting for cert-manager")
	case ready.Status == cmmeta.ConditionTrue:
		return conditions.True(v1alpha1.ConditionReady, reasonIssued, "")
	case failed != "":
		return conditions.False(v1alpha1.ConditionReady, reasonNotIssued, fmt.Sprintf("Certificate %s: %s", name, failed))
	default:
		return blocked(ready.Message)
	}
}

// failure is why the last attempt to issue a certificate failed; empty when it did
// not, or another is under way.
func failure(certificate *cmv1.Certificate) string {
	issuing := find(certificate, cmv1.CertificateConditionIssuing)
	// With a feature gate of cert-manager, one that has succeeded is False too.
	if issuing == nil || issuing.Status != cmmeta.ConditionFalse || issuing.Reason == "Issued" {
		return ""
	}
	return conditions.FirstLine(issuing.Message)
}

func find(certificate *cmv1.Certificate, conditionType cmv1.CertificateConditionType) *cmv1.CertificateCondition {
	if certificate == nil {
		return nil
	}
	for i := range certificate.Status.Conditions {
		if certificate.Status.Conditions[i].Type == conditionType {
			return &certificate.Status.Conditions[i]
		}
	}
	return nil
}

func secretCondition(name string, secret *corev1.Secret) metav1.Condition {
	if secret == nil || secret.Annotations[annotationHash] == "" || secret.DeletionTimestamp != nil {
		return conditions.False(v1alpha1.ConditionReady, reasonWaitSecret, fmt.Sprintf("Secret %s: not written yet", name))
	}
	return conditions.True(v1alpha1.ConditionReady, reasonIssued, "")
}

func byName[T metav1.Object](objects []T) map[string]T {
	index := make(map[string]T, len(objects))
	for _, object := range objects {
		index[object.GetName()] = object
	}
	return index
}
