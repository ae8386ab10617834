package approval_test

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"strings"
	"testing"

	certificatesv1 "k8s.io/api/certificates/v1"

	"slipway.dev/operators/kvm/approval"
)

// TestErrorsAreShort whatever the tenant writes: they end up in events.
func TestErrorsAreShort(t *testing.T) {
	long := strings.Repeat("x", 30<<10)
	const dnsName, uri = 2, 6
	for name, test := range map[string]struct {
		draft  func() *draft
		change change
	}{
		"signer":       {serving, func(d *draft) { d.spec.SignerName = long }},
		"user":         {serving, func(d *draft) { d.spec.Username = long }},
		"node":         {serving, func(d *draft) { d.spec.Username = "system:node:" + long }},
		"token":        {first, func(d *draft) { d.spec.Username = "system:bootstrap:" + long }},
		"usage":        {first, func(d *draft) { d.spec.Usages = []certificatesv1.KeyUsage{certificatesv1.KeyUsage(long)} }},
		"common name":  {renewal, func(d *draft) { d.template.Subject.CommonName = long }},
		"organization": {renewal, func(d *draft) { d.template.Subject.Organization = []string{long, long} }},
		"attribute": {renewal, func(d *draft) {
			d.template.Subject.ExtraNames = []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{2, 5, 4, 11}, Value: long}}
		}},
		"name":         {serving, func(d *draft) { d.template.DNSNames = []string{long} }},
		"URI":          {serving, func(d *draft) { d.template.ExtraExtensions = alternativeNames(t, generalName(uri, "%zz"+long)) }},
		"broken name":  {serving, func(d *draft) { d.template.ExtraExtensions = alternativeNames(t, generalName(dnsName, "\xff"+long)) }},
		"extension ID": {first, func(d *draft) { d.template.ExtraExtensions = []pkix.Extension{{Id: longIdentifier()}} }},
	} {
		t.Run(name, func(t *testing.T) {
			d := test.draft()
			test.change(d)
			err := approval.Decide(d.signed(t), machine)
			if err == nil {
				t.Fatal("approved")
			}
			// Quoting writes a character that cannot be printed as up to ten.
			if strings.Contains(err.Error(), strings.Repeat("x", 101)) || len(err.Error()) > 1200 {
				t.Errorf("%d characters: %.300s", len(err.Error()), err)
			}
		})
	}
}

func longIdentifier() asn1.ObjectIdentifier {
	id := asn1.ObjectIdentifier{1, 2}
	for range 1000 {
		id = append(id, 1000000)
	}
	return id
}

func TestSize(t *testing.T) {
	request := serving().signed(t)
	room := 64<<10 - len(request.Request)
	request.Request = append(request.Request, bytes.Repeat([]byte("\n"), room)...)
	if err := approval.Decide(request, machine); err != nil {
		t.Errorf("64 KiB: %v", err)
	}
	request.Request = append(request.Request, '\n')
	if err := approval.Decide(request, machine); err == nil || !strings.Contains(err.Error(), "65537 bytes") {
		t.Errorf("more than 64 KiB: %v", err)
	}
	if _, ok := approval.MachineName(request); !ok {
		t.Error("the name of a node does not depend on what it wrote")
	}
}

// TestKeySize: how long the check of a signature takes is not the tenant's to say.
func TestKeySize(t *testing.T) {
	const bits = 100_000
	key, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), bits-1, 1), E: 1<<31 - 1})
	if err != nil {
		t.Fatal(err)
	}
	request := renewal().signed(t)
	request.Request = encode(withKey(t, decode(request.Request), key))
	if err := approval.Decide(request, machine); err == nil || !strings.Contains(err.Error(), "RSA key has 100000 bits") {
		t.Errorf("got %v", err)
	}
}

// withKey puts another key into a request, whose signature no longer fits then.
func withKey(t *testing.T, der, key []byte) []byte {
	t.Helper()
	// RFC 2986, section 4.
	var request struct {
		Info struct {
			Version    int
			Subject    asn1.RawValue
			PublicKey  asn1.RawValue
			Attributes asn1.RawValue `asn1:"tag:0"`
		}
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &request); err != nil {
		t.Fatal(err)
	}
	request.Info.PublicKey = asn1.RawValue{FullBytes: key}
	changed, err := asn1.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}
