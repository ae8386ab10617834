package pki

import (
	"errors"
	"testing"
	"time"

	cmv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
)

func certificateWith(name string, conditions ...cmv1.CertificateCondition) *cmv1.Certificate {
	return &cmv1.Certificate{
		ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 1},
		Status:     cmv1.CertificateStatus{Conditions: conditions},
	}
}

func readyAt(generation int64, status cmmeta.ConditionStatus, message string) cmv1.CertificateCondition {
	return cmv1.CertificateCondition{Type: cmv1.CertificateConditionReady, Status: status, ObservedGeneration: generation, Message: message}
}

// digested is a Secret as the cache has it.
func digested(name, hash string, notAfter string) *corev1.Secret {
	annotations := map[string]string{annotationHash: hash}
	if notAfter != "" {
		annotations[annotationNotAfter] = notAfter
	}
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: annotations}}
}

// complete is what is observed when everything is issued.
func complete(t *testing.T) (Desired, Observed) {
	t.Helper()
	desired, err := Desire(tenantPKI())
	if err != nil {
		t.Fatal(err)
	}
	var observed Observed
	for _, d := range desired.Certificates {
		observed.Certificates = append(observed.Certificates, certificateWith(*d.GetName(), readyAt(1, cmmeta.ConditionTrue, "")))
		observed.Secrets = append(observed.Secrets, digested(*d.GetName(), "1111", "2027-11-22T00:00:00Z"))
	}
	observed.Secrets = append(observed.Secrets, digested(v1alpha1.SecretServiceAccount, "2222", ""))
	return desired, observed
}

func TestReportReady(t *testing.T) {
	replace := func(name string, with *cmv1.Certificate) func(*Observed) {
		return func(o *Observed) {
			for i, c := range o.Certificates {
				if c.Name == name {
					o.Certificates[i] = with
				}
			}
		}
	}
	tests := map[string]struct {
		change  func(*Observed)
		applied func(Desired)
		status  metav1.ConditionStatus
		reason  string
		message string
	}{
		"everything issued": {
			change: func(*Observed) {}, status: "True", reason: "Issued",
		},
		"nothing there": {
			change: func(o *Observed) { *o = Observed{} },
			status: "False", reason: "WaitingForCertificate", message: "Certificate ca: not observed yet",
		},
		"the first that blocks is named": {
			change: func(o *Observed) {
				replace("scheduler", certificateWith("scheduler"))(o)
				replace("etcd-ca", certificateWith("etcd-ca", readyAt(1, cmmeta.ConditionFalse, "Issuing certificate as Secret does not exist")))(o)
			},
			status: "False", reason: "WaitingForCertificate",
			message: "Certificate etcd-ca: Issuing certificate as Secret does not exist",
		},
		"ready, but for an older spec": {
			change: replace("apiserver", certificateWith("apiserver", readyAt(0, cmmeta.ConditionTrue, ""))),
			status: "False", reason: "WaitingForCertificate", message: "Certificate apiserver: waiting for cert-manager",
		},
		"spec was just changed": {
			change:  func(*Observed) {},
			applied: func(d Desired) { d.Certificates[1].WithGeneration(2) },
			status:  "False", reason: "WaitingForCertificate", message: "Certificate etcd-ca: waiting for cert-manager",
		},
		"spec was written and was the same": {
			change:  func(*Observed) {},
			applied: func(d Desired) { d.Certificates[1].WithGeneration(1) },
			status:  "True", reason: "Issued",
		},
		"a failed attempt is named": {
			change: replace("apiserver", certificateWith("apiserver", readyAt(1, cmmeta.ConditionFalse, "not ready"),
				cmv1.CertificateCondition{Type: cmv1.CertificateConditionIssuing, Status: cmmeta.ConditionFalse, Message: "request was denied"})),
			status: "False", reason: "CertificateNotIssued", message: "Certificate apiserver: request was denied",
		},
		"a renewal that failed is named": {
			change: replace("apiserver", certificateWith("apiserver", readyAt(1, cmmeta.ConditionTrue, ""),
				cmv1.CertificateCondition{Type: cmv1.CertificateConditionIssuing, Status: cmmeta.ConditionFalse, Message: "request was denied"})),
			status: "True", reason: "Issued", message: "Certificate apiserver is valid and could not be renewed: request was denied",
		},
		"Secret lacks keys": {
			change: func(o *Observed) { o.Secrets[len(o.Secrets)-1] = digested(v1alpha1.SecretServiceAccount, "", "") },
			status: "False", reason: "WaitingForSecret", message: "Secret service-account: not written yet",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			desired, observed := complete(t)
			test.change(&observed)
			if test.applied != nil {
				test.applied(desired)
			}
			report := Report(tenantPKI(), desired, observed).Status
			got := report.Conditions[0]
			if *got.Status != test.status || *got.Reason != test.reason || *got.Message != test.message {
				t.Errorf("got %s %s %q, want %s %s %q", *got.Status, *got.Reason, *got.Message, test.status, test.reason, test.message)
			}
			if *report.ObservedGeneration != 3 || *got.ObservedGeneration != 3 {
				t.Error("observedGeneration is not the tenant's")
			}
		})
	}
}

func TestReportSecrets(t *testing.T) {
	observed := Observed{Secrets: []*corev1.Secret{
		digested("scheduler", "aaaa", "2027-01-02T00:00:00Z"),
		digested("ca", "bbbb", "2036-01-02T00:00:00Z"),
		digested("admin", "", ""), // incomplete
		digested(v1alpha1.SecretServiceAccount, "cccc", ""),
	}}
	// What is issued stays in the report also while the spec is invalid.
	report := ReportInvalid(tenantPKI(), observed, errors.New("bad")).Status
	type issued struct{ Name, Hash, NotAfter string }
	var got []issued
	for _, s := range report.Secrets {
		i := issued{Name: *s.Name, Hash: *s.Hash}
		if s.NotAfter != nil {
			i.NotAfter = s.NotAfter.UTC().Format(time.RFC3339)
		}
		got = append(got, i)
	}
	want := []issued{
		{"ca", "bbbb", "2036-01-02T00:00:00Z"},
		{"scheduler", "aaaa", "2027-01-02T00:00:00Z"},
		{"service-account", "cccc", ""},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("secrets (-want +got):\n%s", diff)
	}
	if first := report.NotAfter.UTC().Format(time.RFC3339); first != "2027-01-02T00:00:00Z" {
		t.Errorf("earliest expiry is %s", first)
	}
}
