package pki

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
)

// Changes are what has happened between two reports.
type Changes struct {
	// Issued is true when a tenant has everything that it needs, and had not.
	Issued bool
	// Renewed are the Secrets that had other contents.
	Renewed []v1alpha1.IssuedSecret
	// Failed says which certificate could not be issued, and why; empty when none
	// has failed since.
	Failed string
}

// ChangesSince compares a report with the status before it.
func ChangesSince(before v1alpha1.TenantPKIStatus, report *slipwayac.TenantPKIStatusApplyConfiguration) Changes {
	var changes Changes
	known := map[string]string{}
	for _, secret := range before.Secrets {
		known[secret.Name] = secret.Hash
	}
	for _, secret := range report.Secrets {
		if was := known[*secret.Name]; was != "" && was != *secret.Hash {
			changes.Renewed = append(changes.Renewed, v1alpha1.IssuedSecret{Name: *secret.Name, Hash: *secret.Hash, NotAfter: secret.NotAfter})
		}
	}
	var was metav1.Condition
	for _, condition := range before.Conditions {
		if condition.Type == v1alpha1.ConditionReady {
			was = condition
		}
	}
	for _, ready := range report.Conditions {
		failed := *ready.Reason == reasonNotIssued || *ready.Status == metav1.ConditionTrue && *ready.Message != ""
		if failed && *ready.Message != was.Message {
			changes.Failed = *ready.Message
		}
		changes.Issued = *ready.Status == metav1.ConditionTrue && was.Status != metav1.ConditionTrue
	}
	return changes
}
