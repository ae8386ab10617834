package approval

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
)

const (
	// maxRequestBytes is far above any kubelet's request, and far below what the API server takes.
	maxRequestBytes = 64 << 10
	// maxRSABits bounds what the check of a signature costs, as crypto/tls does.
	maxRSABits = 8192

	pemType = "CERTIFICATE REQUEST"
)

var (
	oidCommonName     = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidOrganization   = asn1.ObjectIdentifier{2, 5, 4, 10}
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
)

// parse reads the request without checking its signature, which costs more
// than all else. Readers of PEM skip what they do not understand, each in its
// own way: so that the signer reads what was decided on, there is one block
// and nothing else.
func parse(request []byte) (*x509.CertificateRequest, error) {
	if len(request) > maxRequestBytes {
		return nil, fmt.Errorf("request has %d bytes, more than %d", len(request), maxRequestBytes)
	}
	begin := []byte("-----BEGIN ")
	block, rest := pem.Decode(request)
	if block == nil || block.Type != pemType || len(block.Headers) > 0 || len(bytes.TrimSpace(rest)) > 0 ||
		!bytes.HasPrefix(request, begin) || bytes.Count(request, begin) != 1 {
		return nil, errors.New("request is not exactly one PEM block of type " + pemType)
	}
	parsed, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		// The parser's errors quote names and URIs of any length.
		return nil, fmt.Errorf("request cannot be parsed: %.100q", err.Error())
	}
	return parsed, nil
}

func checkSignature(request *x509.CertificateRequest) error {
	if key, ok := request.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxRSABits {
		return fmt.Errorf("RSA key has %d bits, more than %d", key.N.BitLen(), maxRSABits)
	}
	if err := request.CheckSignature(); err != nil {
		return fmt.Errorf("signature of request: %w", err)
	}
	return nil
}

// checkSubject wants one common name and one organization. Of several, API
// servers would take each organization for a group, and another attribute for
// the user's UID.
func checkSubject(subject pkix.Name, machine Machine) error {
	wanted := []pkix.AttributeTypeAndValue{
		{Type: oidCommonName, Value: nodeUserPrefix + machine.Name},
		{Type: oidOrganization, Value: nodesGroup},
	}
	if len(subject.Names) != len(wanted) {
		return fmt.Errorf("subject %.100q has %d attributes; want CN and O", subject.String(), len(subject.Names))
	}
	for _, want := range wanted {
		if !hasAttribute(subject, want) {
			return fmt.Errorf("subject is %.100q; want CN=%s%s,O=%s", subject.String(), nodeUserPrefix, machine.Name, nodesGroup)
		}
	}
	return nil
}

func hasAttribute(subject pkix.Name, want pkix.AttributeTypeAndValue) bool {
	for _, attribute := range subject.Names {
		if attribute.Type.Equal(want.Type) && attribute.Value == want.Value {
			return true
		}
	}
	return false
}

// checkNoNames wants no extension, of which alternative names are one.
func checkNoNames(request *x509.CertificateRequest, _ Machine) error {
	if len(request.Extensions) > 0 {
		return fmt.Errorf("extension %.100q is not for a client certificate", request.Extensions[0].Id.String())
	}
	return nil
}

// checkOwnNames wants the Machine's name, its address, or both.
func checkOwnNames(request *x509.CertificateRequest, machine Machine) error {
	if len(request.Extensions) != 1 || !request.Extensions[0].Id.Equal(oidSubjectAltName) {
		return fmt.Errorf("request has %d extensions; want one, of alternative names", len(request.Extensions))
	}
	// The parser passes over kinds of names that it does not know.
	var names []asn1.RawValue
	rest, err := asn1.Unmarshal(request.Extensions[0].Value, &names)
	if err != nil || len(rest) > 0 || len(names) == 0 || len(names) != len(request.DNSNames)+len(request.IPAddresses) {
		return errors.New("alternative names are not DNS names and addresses alone")
	}
	for _, name := range request.DNSNames {
		if name != machine.Name {
			return fmt.Errorf("name %.100q is not that of Machine %s", name, machine.Name)
		}
	}
	for _, ip := range request.IPAddresses {
		if address, ok := netip.AddrFromSlice(ip); !ok || address.Unmap() != machine.IPAddress {
			return fmt.Errorf("address %s is not that of Machine %s", ip, machine.Name)
		}
	}
	return nil
}
