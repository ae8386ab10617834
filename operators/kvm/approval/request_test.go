package approval_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"net"
	"net/netip"
	"testing"

	certificatesv1 "k8s.io/api/certificates/v1"

	"slipway.dev/operators/kvm/approval"
)

var machine = approval.Machine{Name: "a-bcdfg", IPAddress: netip.MustParseAddr("10.200.0.16"), TokenID: "abcdef"}

// Users that speak for the machine.
const (
	nodeUser  = "system:node:a-bcdfg"
	tokenUser = "system:bootstrap:abcdef"
)

// draft is a request before it is signed.
type draft struct {
	template x509.CertificateRequest
	spec     certificatesv1.CertificateSigningRequestSpec
	key      crypto.Signer // an elliptic curve's when nil
}

func subject() pkix.Name {
	return pkix.Name{CommonName: nodeUser, Organization: []string{"system:nodes"}}
}

// serving is what a kubelet asks for once it has a client certificate.
func serving() *draft {
	return &draft{
		template: x509.CertificateRequest{
			Subject: subject(), DNSNames: []string{"a-bcdfg"}, IPAddresses: []net.IP{net.IPv4(10, 200, 0, 16)},
		},
		spec: certificatesv1.CertificateSigningRequestSpec{
			SignerName: certificatesv1.KubeletServingSignerName, Username: nodeUser,
			Groups: []string{"system:nodes", "system:authenticated"},
			Usages: []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageServerAuth},
		},
	}
}

// first is what a kubelet asks for with its bootstrap token.
func first() *draft {
	return &draft{
		template: x509.CertificateRequest{Subject: subject()},
		spec: certificatesv1.CertificateSigningRequestSpec{
			SignerName: certificatesv1.KubeAPIServerClientKubeletSignerName, Username: tokenUser,
			Groups: []string{"system:bootstrappers", "system:bootstrappers:slipway", "system:authenticated"},
			Usages: []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageClientAuth},
		},
	}
}

// renewal is what it asks for before its client certificate expires.
func renewal() *draft {
	d := first()
	d.spec.Username = nodeUser
	d.spec.Groups = []string{"system:nodes", "system:authenticated"}
	return d
}

var drafts = map[string]func() *draft{"serving": serving, "first": first, "renewal": renewal}

// signed makes a real request of the draft.
func (d *draft) signed(t testing.TB) *certificatesv1.CertificateSigningRequestSpec {
	t.Helper()
	key := d.key
	if key == nil {
		generated, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		key = generated
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &d.template, key)
	if err != nil {
		t.Fatal(err)
	}
	spec := d.spec.DeepCopy()
	spec.Request = encode(der)
	return spec
}

func encode(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

func decode(request []byte) []byte {
	block, _ := pem.Decode(request)
	return block.Bytes
}

// alternativeNames is an extension with any kinds of names; x509 writes only those that it knows.
func alternativeNames(t testing.TB, names ...asn1.RawValue) []pkix.Extension {
	t.Helper()
	value, err := asn1.Marshal(names)
	if err != nil {
		t.Fatal(err)
	}
	return []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: value}}
}

func generalName(tag int, value string) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, Bytes: []byte(value)}
}
