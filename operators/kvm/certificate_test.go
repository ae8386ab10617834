package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net"
	"strings"
	"testing"

	certificatesv1 "k8s.io/api/certificates/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"slipway.dev/api/v1alpha1"
)

// testClientCertificate: with its token a guest becomes its own Machine, and no other.
func (w *world) testClientCertificate(t *testing.T, machine, tokenID string) {
	impostor := w.requestClientCertificate(t, machine, "abcdef")
	w.hears(t, "CertificateNotApproved", "Left "+impostor+" pending")
	w.saysOfNode(t, machine, "has not registered yet", impostor+" is left pending")
	own := w.requestClientCertificate(t, machine, tokenID)
	reads(t, w.tenant, "", own, &certificatesv1.CertificateSigningRequest{}, func(csr *certificatesv1.CertificateSigningRequest) error {
		if len(csr.Status.Conditions) != 1 || csr.Status.Conditions[0].Type != certificatesv1.CertificateApproved {
			return fmt.Errorf("conditions %v", csr.Status.Conditions)
		}
		return nil
	})
	left := reads(t, w.tenant, "", impostor, &certificatesv1.CertificateSigningRequest{}, nil)
	if len(left.Status.Conditions) > 0 {
		t.Errorf("a certificate with another Machine's token: %v", left.Status.Conditions)
	}
	reads(t, w.management, w.namespace, machine, &v1alpha1.Machine{}, func(m *v1alpha1.Machine) error {
		ready := meta.FindStatusCondition(m.Status.Conditions, v1alpha1.ConditionNodeReady)
		if want := "Node " + machine + " has not registered yet"; ready.Message != want {
			return fmt.Errorf("NodeReady says %q, want %q", ready.Message, want)
		}
		return nil
	})
}

func (w *world) testServingCertificate(t *testing.T, machine, address string) {
	greedy := w.requestCertificate(t, machine, net.ParseIP("10.200.0.10"))
	w.saysOfNode(t, machine, greedy+" is left pending")
	repair := w.webhook(t, "broken.example.com", schema.GroupResource{Group: certificatesv1.GroupName, Resource: "certificatesigningrequests/approval"}, fails)
	own := w.requestCertificate(t, machine, net.ParseIP(address))
	w.hears(t, "ApprovalRefused", "webhook broken.example.com of the tenant")
	w.saysOfNode(t, machine, "webhook broken.example.com of the tenant", own)
	repair()
	reads(t, w.tenant, "", own, &certificatesv1.CertificateSigningRequest{}, func(csr *certificatesv1.CertificateSigningRequest) error {
		if len(csr.Status.Conditions) != 1 || csr.Status.Conditions[0].Type != certificatesv1.CertificateApproved {
			return fmt.Errorf("conditions %v", csr.Status.Conditions)
		}
		return nil
	})
	left := reads(t, w.tenant, "", greedy, &certificatesv1.CertificateSigningRequest{}, nil)
	if len(left.Status.Conditions) > 0 {
		t.Errorf("a certificate for the API server's address: %v", left.Status.Conditions)
	}
	w.saysOfNode(t, machine)
}

// requestClientCertificate asks for a client certificate as a guest does that has a bootstrap token.
func (w *world) requestClientCertificate(t *testing.T, machine, tokenID string) (name string) {
	t.Helper()
	guest := rest.ImpersonationConfig{UserName: "system:bootstrap:" + tokenID, Groups: []string{"system:bootstrappers", v1alpha1.GroupBootstrappers}}
	return w.request(t, guest, certificatesv1.KubeAPIServerClientKubeletSignerName, certificatesv1.UsageClientAuth,
		&x509.CertificateRequest{Subject: nodeSubject(machine)})
}

// requestCertificate asks for a serving certificate as the machine's kubelet.
func (w *world) requestCertificate(t *testing.T, machine string, address net.IP) (name string) {
	t.Helper()
	kubelet := rest.ImpersonationConfig{UserName: "system:node:" + machine, Groups: []string{"system:nodes"}}
	return w.request(t, kubelet, certificatesv1.KubeletServingSignerName, certificatesv1.UsageServerAuth,
		&x509.CertificateRequest{Subject: nodeSubject(machine), DNSNames: []string{machine}, IPAddresses: []net.IP{address}})
}

func nodeSubject(machine string) pkix.Name {
	return pkix.Name{CommonName: "system:node:" + machine, Organization: []string{"system:nodes"}}
}

// request makes a certificate signing request in the tenant, as that user.
func (w *world) request(
	t *testing.T, user rest.ImpersonationConfig, signer string, usage certificatesv1.KeyUsage, template *x509.CertificateRequest,
) (name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		t.Fatal(err)
	}
	config := rest.CopyConfig(w.tenantREST)
	config.Impersonate = user
	csr := &certificatesv1.CertificateSigningRequest{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "csr-"},
		Spec: certificatesv1.CertificateSigningRequestSpec{
			SignerName: signer, Usages: []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, usage},
			Request: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}),
		},
	}
	w.create(t, newClient(t, config), csr)
	return csr.Name
}

// saysOfNode waits until NodeReady has these words in its message; or none when
// none are given.
func (w *world) saysOfNode(t *testing.T, machine string, words ...string) {
	t.Helper()
	reads(t, w.management, w.namespace, machine, &v1alpha1.Machine{}, func(m *v1alpha1.Machine) error {
		ready := meta.FindStatusCondition(m.Status.Conditions, v1alpha1.ConditionNodeReady)
		if ready == nil || len(words) == 0 && ready.Message != "" {
			return fmt.Errorf("NodeReady is %+v, want no message", ready)
		}
		for _, word := range words {
			if !strings.Contains(ready.Message, word) {
				return fmt.Errorf("NodeReady says %q, want %q in it", ready.Message, word)
			}
		}
		return nil
	})
}
