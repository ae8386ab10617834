package pki

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"slipway.dev/api/v1alpha1"
)

// Annotations of a digested Secret. They exist in the operator's memory only.
const (
	annotationHash     = "slipway.dev/digest-hash"
	annotationNotAfter = "slipway.dev/digest-not-after"
)

// certificateKeys must all be there before a certificate's Secret is complete.
var certificateKeys = []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey, "ca.crt"}

// Digest replaces a Secret's data by its hash and its certificate's expiry, so
// that the operator holds no tenant's keys in memory. A Secret that lacks keys
// which the tenant's control plane reads gets no hash. A digest stays as it is:
// the cache may transform an object that it has transformed before.
func Digest(secret *corev1.Secret) *corev1.Secret {
	if len(secret.Data) == 0 && secret.Annotations[annotationHash] != "" {
		return secret
	}
	digested := &corev1.Secret{ObjectMeta: secret.ObjectMeta, Type: secret.Type}
	digested.ManagedFields = nil
	digested.Annotations = map[string]string{}
	if secret.Name == v1alpha1.SecretServiceAccount {
		if hasAll(secret.Data, serviceAccountPrivateKey, serviceAccountPublicKey) {
			digested.Annotations[annotationHash] = hash(secret.Data)
		}
		return digested
	}
	notAfter, err := expiry(secret.Data[corev1.TLSCertKey])
	if err == nil && hasAll(secret.Data, certificateKeys...) {
		digested.Annotations[annotationHash] = hash(secret.Data)
		digested.Annotations[annotationNotAfter] = notAfter.UTC().Format(time.RFC3339)
	}
	return digested
}

func hasAll(data map[string][]byte, keys ...string) bool {
	for _, key := range keys {
		if len(data[key]) == 0 {
			return false
		}
	}
	return true
}

// hash is the first 16 hex digits of SHA-256 over keys and values, in the order of the keys.
func hash(data map[string][]byte) string {
	sum := sha256.New()
	write := func(part []byte) {
		sum.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		sum.Write(part)
	}
	for _, key := range slices.Sorted(maps.Keys(data)) {
		write([]byte(key))
		write(data[key])
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// expiry is that of the first certificate in a PEM chain.
func expiry(chain []byte) (time.Time, error) {
	block, _ := pem.Decode(chain)
	if block == nil {
		return time.Time{}, fmt.Errorf("no PEM block in certificate of %d bytes", len(chain))
	}
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}, fmt.Errorf("parse certificate: %w", err)
	}
	return parsed.NotAfter, nil
}
