// Package approval decides on requests for the client and serving certificates
// of kubelets. Whoever has the tenant's API can write anything into a request:
// only what is exactly a Machine's own is approved.
package approval

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"slices"

	certificatesv1 "k8s.io/api/certificates/v1"
)

// Machine is what a kubelet may claim about itself.
type Machine struct {
	Name      string
	IPAddress netip.Addr
	// TokenID of the Machine's own bootstrap token. When it is empty, no token
	// speaks for the Machine.
	TokenID string
}

// purpose is what the certificates of one signer are for.
type purpose struct {
	usage certificatesv1.KeyUsage
	// byToken says whether the holder of a bootstrap token may ask for them.
	byToken    bool
	checkNames func(*x509.CertificateRequest, Machine) error
}

// purposes by signer. A kubelet gets its client certificate first, and asks for
// the serving one with that.
var purposes = map[string]purpose{
	certificatesv1.KubeAPIServerClientKubeletSignerName: {
		usage:      certificatesv1.UsageClientAuth,
		byToken:    true,
		checkNames: checkNoNames,
	},
	certificatesv1.KubeletServingSignerName: {
		usage:      certificatesv1.UsageServerAuth,
		checkNames: checkOwnNames,
	},
}

// Decide returns nil when the request asks for a certificate of exactly this
// Machine, in its own name and for the signer's one purpose. Otherwise the
// error says what is wrong with the request; it is fit to be shown, and quotes
// no more than 100 characters of anything in it.
func Decide(request *certificatesv1.CertificateSigningRequestSpec, machine Machine) error {
	purpose, ok := purposes[request.SignerName]
	if !ok {
		return fmt.Errorf("signer %.100q does not sign certificates of kubelets", request.SignerName)
	}
	if err := checkRequestor(request, machine, purpose.byToken); err != nil {
		return err
	}
	if err := checkUsages(request.Usages, purpose.usage); err != nil {
		return err
	}
	parsed, err := parse(request.Request)
	if err != nil {
		return err
	}
	if err := checkSubject(parsed.Subject, machine); err != nil {
		return err
	}
	if err := purpose.checkNames(parsed, machine); err != nil {
		return err
	}
	return checkSignature(parsed)
}

// checkUsages wants those that a kubelet asks for. Key encipherment is for RSA
// keys only; kubelets before 1.27 always ask for it.
func checkUsages(usages []certificatesv1.KeyUsage, purpose certificatesv1.KeyUsage) error {
	wanted := []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, purpose}
	for _, usage := range usages {
		if usage != certificatesv1.UsageKeyEncipherment && !slices.Contains(wanted, usage) {
			return fmt.Errorf("usage %.100q is not for certificates of this signer", usage)
		}
	}
	for _, usage := range wanted {
		if !slices.Contains(usages, usage) {
			return fmt.Errorf("usage %q is missing", usage)
		}
	}
	return nil
}
