package pki

import (
	"crypto/ecdsa"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/keyutil"

	"slipway.dev/api/v1alpha1"
)

func TestServiceAccountSecret(t *testing.T) {
	secret, err := ServiceAccountSecret(tenantPKI())
	if err != nil {
		t.Fatal(err)
	}
	// keyutil is what the API server and the controller manager read keys with.
	private, err := keyutil.ParsePrivateKeyPEM(secret.Data["sa.key"])
	if err != nil {
		t.Fatal(err)
	}
	public, err := keyutil.ParsePublicKeysPEM(secret.Data["sa.pub"])
	if err != nil {
		t.Fatal(err)
	}
	key, ok := private.(*ecdsa.PrivateKey)
	if !ok || len(public) != 1 || !key.PublicKey.Equal(public[0]) {
		t.Errorf("sa.pub %T does not belong to sa.key %T", public, private)
	}
}

func TestDigest(t *testing.T) {
	secret, err := ServiceAccountSecret(tenantPKI())
	if err != nil {
		t.Fatal(err)
	}
	first := Digest(secret)
	if len(first.Data) != 0 {
		t.Error("digest holds keys")
	}
	if len(first.Annotations[annotationHash]) != 16 {
		t.Errorf("hash is %q", first.Annotations[annotationHash])
	}
	if diff := cmp.Diff(first, Digest(secret)); diff != "" {
		t.Errorf("digest of the same Secret differs: %s", diff)
	}
	secret.Data["sa.pub"] = append(secret.Data["sa.pub"], '\n')
	if first.Annotations[annotationHash] == Digest(secret).Annotations[annotationHash] {
		t.Error("hash does not change with the data")
	}
	delete(secret.Data, "sa.pub")
	if hash := Digest(secret).Annotations[annotationHash]; hash != "" {
		t.Errorf("incomplete Secret has hash %s", hash)
	}
}

func TestHashKeepsKeysAndValuesApart(t *testing.T) {
	one := hash(map[string][]byte{"a": []byte("bc"), "d": nil})
	other := hash(map[string][]byte{"ab": []byte("c"), "d": nil})
	if one == other {
		t.Error("different data, same hash")
	}
}

// The cache's first list passes objects through the transformation twice.
func TestDigestOfDigest(t *testing.T) {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.SecretServiceAccount},
		Data:       map[string][]byte{serviceAccountPrivateKey: []byte("private"), serviceAccountPublicKey: []byte("public")},
	}
	once := Digest(secret)
	if once.Annotations[annotationHash] == "" {
		t.Fatal("a complete Secret has no hash")
	}
	if diff := cmp.Diff(once, Digest(once)); diff != "" {
		t.Errorf("a digest changes (-once +twice):\n%s", diff)
	}
}
