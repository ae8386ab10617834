// Package approval decides on requests for the serving certificates of kubelets.
package approval

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	certificatesv1 "k8s.io/api/certificates/v1"
)

const (
	nodeUserPrefix = "system:node:"
	nodesGroup     = "system:nodes"
)

// Machine is what a kubelet may claim about itself.
type Machine struct {
	Name      string
	IPAddress netip.Addr
}

// MachineName is the name of the Machine whose kubelet made the request; ok is
// false when no kubelet made it.
func MachineName(request *certificatesv1.CertificateSigningRequestSpec) (name string, ok bool) {
	if request.SignerName != certificatesv1.KubeletServingSignerName {
		return "", false
	}
	name, ok = strings.CutPrefix(request.Username, nodeUserPrefix)
	return name, ok && name != ""
}

// Decide is nil when the request asks for a serving certificate of exactly this
// Machine and nothing else; otherwise the error says what is wrong with it.
func Decide(request *certificatesv1.CertificateSigningRequestSpec, machine Machine) error {
	name, ok := MachineName(request)
	switch {
	case !ok || name != machine.Name:
		return fmt.Errorf("requested by %q, not by the kubelet of %s", request.Username, machine.Name)
	case !slices.Contains(request.Groups, nodesGroup):
		return fmt.Errorf("requestor is not in group %s", nodesGroup)
	}
	if err := checkUsages(request.Usages); err != nil {
		return err
	}
	certificate, err := parse(request.Request)
	if err != nil {
		return err
	}
	return checkSubject(certificate, machine)
}

// checkUsages wants those of a TLS server. Key encipherment is for RSA keys only; kubelets before 1.27 ask for it always.
func checkUsages(usages []certificatesv1.KeyUsage) error {
	allowed := []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageKeyEncipherment, certificatesv1.UsageServerAuth}
	for _, usage := range usages {
		if !slices.Contains(allowed, usage) {
			return fmt.Errorf("usage %q is not for a serving certificate", usage)
		}
	}
	for _, usage := range []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageServerAuth} {
		if !slices.Contains(usages, usage) {
			return fmt.Errorf("usage %q is missing", usage)
		}
	}
	return nil
}

func parse(request []byte) (*x509.CertificateRequest, error) {
	block, rest := pem.Decode(request)
	if block == nil || block.Type != "CERTIFICATE REQUEST" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("not one PEM block of type CERTIFICATE REQUEST")
	}
	parsed, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse request: %w", err)
	}
	if err := parsed.CheckSignature(); err != nil {
		return nil, fmt.Errorf("check signature of request: %w", err)
	}
	return parsed, nil
}

func checkSubject(request *x509.CertificateRequest, machine Machine) error {
	if request.Subject.CommonName != nodeUserPrefix+machine.Name {
		return fmt.Errorf("common name is %q", request.Subject.CommonName)
	}
	if !slices.Equal(request.Subject.Organization, []string{nodesGroup}) {
		return fmt.Errorf("organization is %q", request.Subject.Organization)
	}
	if len(request.EmailAddresses) > 0 || len(request.URIs) > 0 {
		return fmt.Errorf("e-mail addresses and URIs are not allowed")
	}
	if len(request.DNSNames)+len(request.IPAddresses) == 0 {
		return fmt.Errorf("neither a name nor an address")
	}
	for _, name := range request.DNSNames {
		if name != machine.Name {
			return fmt.Errorf("name %q is not that of the Machine", name)
		}
	}
	for _, ip := range request.IPAddresses {
		if address, ok := netip.AddrFromSlice(ip); !ok || address.Unmap() != machine.IPAddress {
			return fmt.Errorf("address %s is not that of the Machine", ip)
		}
	}
	return nil
}
