package pki

import (
	"encoding/json"
	"testing"

	cmv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	"github.com/google/go-cmp/cmp"

	"slipway.dev/api/v1alpha1"
)

// TestChanges takes a tenant from step to step: each change is told once.
func TestChanges(t *testing.T) {
	desired, observed := complete(t)
	failed := cmv1.CertificateCondition{Type: cmv1.CertificateConditionIssuing, Status: cmmeta.ConditionFalse, Message: "request was denied"}
	set := func(name string, conditions ...cmv1.CertificateCondition) {
		for i, c := range observed.Certificates {
			if c.Name == name {
				observed.Certificates[i] = certificateWith(name, conditions...)
			}
		}
	}
	var before v1alpha1.TenantPKIStatus
	for _, step := range []struct {
		what    string
		change  func()
		issued  bool
		failed  string
		renewed []string
	}{
		{
			what:   "the first attempt fails",
			change: func() { set("apiserver", readyAt(1, cmmeta.ConditionFalse, "not ready"), failed) },
			failed: "Certificate apiserver: request was denied",
		},
		{what: "the next is under way", change: func() { set("apiserver", readyAt(1, cmmeta.ConditionFalse, "not ready")) }},
		{
			what:   "it fails as well",
			change: func() { set("apiserver", readyAt(1, cmmeta.ConditionFalse, "not ready"), failed) },
			failed: "Certificate apiserver: request was denied",
		},
		{what: "it succeeds", change: func() { set("apiserver", readyAt(1, cmmeta.ConditionTrue, "")) }, issued: true},
		{
			what:   "it cannot be renewed",
			change: func() { set("apiserver", readyAt(1, cmmeta.ConditionTrue, ""), failed) },
			failed: "Certificate apiserver is valid and could not be renewed: request was denied",
		},
		{
			what: "it is renewed",
			change: func() {
				set("apiserver", readyAt(1, cmmeta.ConditionTrue, ""))
				for i, secret := range observed.Secrets {
					if secret.Name == "apiserver" {
						observed.Secrets[i] = digested("apiserver", "ffff", "2028-01-02T00:00:00Z")
					}
				}
			},
			renewed: []string{"apiserver"},
		},
		{
			what: "with a feature gate, what has succeeded says so",
			change: func() {
				done := failed
				done.Reason = "Issued"
				set("apiserver", readyAt(1, cmmeta.ConditionTrue, ""), done)
			},
		},
	} {
		step.change()
		for n, what := range []string{step.what, step.what + ", once more"} {
			report := Report(tenantPKI(), desired, observed).Status
			changes := ChangesSince(before, report)
			var renewed []string
			for _, secret := range changes.Renewed {
				renewed = append(renewed, secret.Name)
			}
			if n > 0 {
				step.issued, step.failed, step.renewed = false, "", nil
			}
			if changes.Issued != step.issued || changes.Failed != step.failed || cmp.Diff(step.renewed, renewed) != "" {
				t.Errorf("%s: %+v", what, changes)
			}
			encoded, err := json.Marshal(report)
			if err != nil {
				t.Fatal(err)
			}
			before = v1alpha1.TenantPKIStatus{}
			if err := json.Unmarshal(encoded, &before); err != nil {
				t.Fatal(err)
			}
		}
	}
}
