package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
)

// Keys of the service-account Secret.
const (
	serviceAccountPrivateKey = "sa.key"
	serviceAccountPublicKey  = "sa.pub"
)

// ServiceAccountSecret makes new keys with which the tenant's API server signs
// service-account tokens: ECDSA P-256, PEM. The Secret is immutable, as other
// keys would void every token that the tenant has.
func ServiceAccountSecret(tenant *v1alpha1.TenantPKI) (*corev1.Secret, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate service-account key: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode private service-account key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("encode public service-account key: %w", err)
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name:      v1alpha1.SecretServiceAccount,
			Namespace: tenant.Namespace,
			Labels:    Labels(tenant),
			OwnerReferences: []metav1.OwnerReference{
				*metav1.NewControllerRef(tenant, v1alpha1.GroupVersion.WithKind("TenantPKI")),
			},
		},
		Immutable: new(true),
		Data: map[string][]byte{
			serviceAccountPrivateKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
			serviceAccountPublicKey:  pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}),
		},
	}, nil
}
