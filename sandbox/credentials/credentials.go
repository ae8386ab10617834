// Package credentials makes and keeps a sandbox's own secrets: a certificate
// authority, the registry's certificate and password, and the key that signs
// DNS updates. They are kept with the sandbox's data, so that what nodes and
// guests trust stays the same over a restart.
package credentials

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

const (
	// Username is who pushes to the registry.
	Username = "slipway"
	// PullUsername is who can do nothing but pull: tenants.
	PullUsername = "pull"

	caLifetime   = 10 * 365 * 24 * time.Hour
	leafLifetime = 365 * 24 * time.Hour
)

// Set is all secrets of one sandbox.
type Set struct {
	// CACertificate and CAKey are PEM.
	CACertificate []byte `json:"caCertificate"`
	CAKey         []byte `json:"caKey"`
	// Password is that of Username at the registry.
	Password string `json:"password"`
	// TSIGSecret is base64 of an HMAC-SHA256 key.
	TSIGSecret string `json:"tsigSecret"`
}

// Load reads the set kept in a file, or makes one and keeps it there.
func Load(path string) (Set, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return create(path)
	}
	if err != nil {
		return Set{}, err
	}
	var s Set
	if err := json.Unmarshal(data, &s); err != nil {
		return Set{}, fmt.Errorf("reading %s: %w", path, err)
	}
	return s, nil
}

func create(path string) (Set, error) {
	s, err := generate()
	if err != nil {
		return Set{}, err
	}
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return Set{}, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return Set{}, err
	}
	return s, os.WriteFile(path, data, 0o600)
}

func generate() (Set, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Set{}, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "slipway-sandbox"},
		NotAfter:              time.Now().Add(caLifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	certificate, err := sign(template, template, key, key)
	if err != nil {
		return Set{}, err
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return Set{}, err
	}
	tsig := make([]byte, 32)
	if _, err := rand.Read(tsig); err != nil {
		return Set{}, err
	}
	return Set{
		CACertificate: certificate,
		CAKey:         keyPEM,
		Password:      rand.Text(),
		TSIGSecret:    base64.StdEncoding.EncodeToString(tsig),
	}, nil
}

// ServerCertificate issues a certificate and a key, both PEM, for a server with these names and addresses.
func (s Set) ServerCertificate(names []string, addresses []netip.Addr) (certificate, key []byte, err error) {
	caCertificate, caKey, err := s.authority()
	if err != nil {
		return nil, nil, err
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: names[0]},
		NotAfter:    time.Now().Add(leafLifetime),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    names,
	}
	for _, a := range addresses {
		template.IPAddresses = append(template.IPAddresses, net.IP(a.AsSlice()))
	}
	if certificate, err = sign(template, caCertificate, leafKey, caKey); err != nil {
		return nil, nil, err
	}
	key, err = encodeKey(leafKey)
	return certificate, key, err
}

func (s Set) authority() (*x509.Certificate, *ecdsa.PrivateKey, error) {
	certificateBlock, _ := pem.Decode(s.CACertificate)
	keyBlock, _ := pem.Decode(s.CAKey)
	if certificateBlock == nil || keyBlock == nil {
		return nil, nil, errors.New("the sandbox's certificate authority is not PEM")
	}
	certificate, err := x509.ParseCertificate(certificateBlock.Bytes)
	if err != nil {
		return nil, nil, err
	}
	key, err := x509.ParseECPrivateKey(keyBlock.Bytes)
	return certificate, key, err
}

func sign(template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	// Guests' clocks may be a little behind.
	template.NotBefore = time.Now().Add(-time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}

// PullPassword is that of PullUsername. It follows from Password, and does not
// lead to it.
func (s Set) PullPassword() string {
	mac := hmac.New(sha256.New, []byte(s.Password))
	mac.Write([]byte(PullUsername))
	return hex.EncodeToString(mac.Sum(nil))
}

// BasicAuth is the value of the Authorization header that the registry expects.
func (s Set) BasicAuth() string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(Username+":"+s.Password))
}
