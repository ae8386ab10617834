package approval_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"net"
	"net/netip"
	"net/url"
	"testing"

	certificatesv1 "k8s.io/api/certificates/v1"

	"slipway.dev/operators/kvm/approval"
)

var machine = approval.Machine{Name: "a-bcdfg", IPAddress: netip.MustParseAddr("10.200.0.16")}

func template() *x509.CertificateRequest {
	return &x509.CertificateRequest{
		Subject:     pkix.Name{CommonName: "system:node:a-bcdfg", Organization: []string{"system:nodes"}},
		DNSNames:    []string{"a-bcdfg"},
		IPAddresses: []net.IP{net.IPv4(10, 200, 0, 16)},
	}
}

func request(t testing.TB, template *x509.CertificateRequest) *certificatesv1.CertificateSigningRequestSpec {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		t.Fatal(err)
	}
	return &certificatesv1.CertificateSigningRequestSpec{
		SignerName: certificatesv1.KubeletServingSignerName,
		Username:   "system:node:a-bcdfg",
		Groups:     []string{"system:nodes", "system:authenticated"},
		Usages:     []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageServerAuth},
		Request:    pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}),
	}
}

func TestDecide(t *testing.T) {
	for name, test := range map[string]struct {
		template func(*x509.CertificateRequest)
		request  func(*certificatesv1.CertificateSigningRequestSpec)
		approved bool
	}{
		"name and address": {approved: true},
		"address alone":    {template: func(r *x509.CertificateRequest) { r.DNSNames = nil }, approved: true},
		"RSA usages": {approved: true, request: func(r *certificatesv1.CertificateSigningRequestSpec) {
			r.Usages = append(r.Usages, certificatesv1.UsageKeyEncipherment)
		}},
		"nothing":           {template: func(r *x509.CertificateRequest) { r.DNSNames, r.IPAddresses = nil, nil }},
		"another's name":    {template: func(r *x509.CertificateRequest) { r.DNSNames = append(r.DNSNames, "kubernetes") }},
		"another's address": {template: func(r *x509.CertificateRequest) { r.IPAddresses = append(r.IPAddresses, net.IPv4(10, 200, 0, 10)) }},
		"URI":               {template: func(r *x509.CertificateRequest) { r.URIs = []*url.URL{{Scheme: "spiffe", Host: "x"}} }},
		"e-mail":            {template: func(r *x509.CertificateRequest) { r.EmailAddresses = []string{"a@example.com"} }},
		"common name":       {template: func(r *x509.CertificateRequest) { r.Subject.CommonName = "system:node:b" }},
		"organization":      {template: func(r *x509.CertificateRequest) { r.Subject.Organization = []string{"system:masters"} }},
		"another organization": {template: func(r *x509.CertificateRequest) {
			r.Subject.Organization = append(r.Subject.Organization, "system:masters")
		}},
		"user":  {request: func(r *certificatesv1.CertificateSigningRequestSpec) { r.Username = "system:node:b" }},
		"group": {request: func(r *certificatesv1.CertificateSigningRequestSpec) { r.Groups = nil }},
		"signer": {request: func(r *certificatesv1.CertificateSigningRequestSpec) {
			r.SignerName = certificatesv1.KubeAPIServerClientSignerName
		}},
		"client usage": {request: func(r *certificatesv1.CertificateSigningRequestSpec) {
			r.Usages = append(r.Usages, certificatesv1.UsageClientAuth)
		}},
		"no server usage": {request: func(r *certificatesv1.CertificateSigningRequestSpec) { r.Usages = r.Usages[:1] }},
		"two requests":    {request: func(r *certificatesv1.CertificateSigningRequestSpec) { r.Request = append(r.Request, r.Request...) }},
		"no request":      {request: func(r *certificatesv1.CertificateSigningRequestSpec) { r.Request = nil }},
		"broken signature": {request: func(r *certificatesv1.CertificateSigningRequestSpec) {
			block, _ := pem.Decode(r.Request)
			block.Bytes[len(block.Bytes)-1] ^= 1
			r.Request = pem.EncodeToMemory(block)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			csr := template()
			if test.template != nil {
				test.template(csr)
			}
			spec := request(t, csr)
			if test.request != nil {
				test.request(spec)
			}
			if err := approval.Decide(spec, machine); (err == nil) != test.approved {
				t.Errorf("approved %v, reason %v", err == nil, err)
			}
		})
	}
}

// FuzzDecide: whatever is in the request, what is approved names this Machine alone.
func FuzzDecide(f *testing.F) {
	good := request(f, template())
	f.Add(good.Request, good.Username)
	other := template()
	other.DNSNames = []string{"kubernetes"}
	f.Add(request(f, other).Request, good.Username)
	f.Add([]byte("-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n"), "system:node:")
	f.Fuzz(func(t *testing.T, pemRequest []byte, username string) {
		spec := good.DeepCopy()
		spec.Request, spec.Username = pemRequest, username
		if approval.Decide(spec, machine) != nil {
			return
		}
		block, _ := pem.Decode(pemRequest)
		parsed, err := x509.ParseCertificateRequest(block.Bytes)
		if err != nil {
			t.Fatalf("approved what cannot be parsed: %v", err)
		}
		for _, name := range parsed.DNSNames {
			if name != machine.Name {
				t.Errorf("approved for name %q", name)
			}
		}
		for _, ip := range parsed.IPAddresses {
			if !ip.Equal(machine.IPAddress.AsSlice()) {
				t.Errorf("approved for address %s", ip)
			}
		}
		if username != "system:node:"+machine.Name {
			t.Errorf("approved for user %q", username)
		}
	})
}
