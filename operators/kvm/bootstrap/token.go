package bootstrap

import (
	"crypto/rand"
	"errors"
	"math/big"
	"regexp"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	bootstrapapi "k8s.io/cluster-bootstrap/token/api"

	"slipway.dev/api/v1alpha1"
)

// tokenLifetime is how long a guest has to join; the token is renewed at half
// of it until the guest has joined.
const tokenLifetime = time.Hour

// Token lets one machine ask for its client certificate.
type Token struct {
	ID     string // 6 characters, a-z and 0-9
	Secret string // 16 characters, a-z and 0-9
}

// Keys of a token in the machine's Secret in the hosted namespace.
const (
	TokenIDKey     = bootstrapapi.BootstrapTokenIDKey
	TokenSecretKey = bootstrapapi.BootstrapTokenSecretKey
)

// NewToken makes a token from the system's randomness.
func NewToken() (Token, error) {
	id, err := random(6)
	if err != nil {
		return Token{}, err
	}
	secret, err := random(16)
	if err != nil {
		return Token{}, err
	}
	return Token{ID: id, Secret: secret}, nil
}

func random(length int) (string, error) {
	const characters = "0123456789abcdefghijklmnopqrstuvwxyz"
	text := make([]byte, length)
	for i := range text {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(characters))))
		if err != nil {
			return "", err
		}
		text[i] = characters[n.Int64()]
	}
	return string(text), nil
}

// Bearer is the token as it is sent.
func (t Token) Bearer() string { return t.ID + "." + t.Secret }

// String keeps the secret out of logs and messages.
func (t Token) String() string { return t.ID + ".<secret>" }

// GoString does the same for %#v.
func (t Token) GoString() string { return t.String() }

var tokenPattern = regexp.MustCompile(bootstrapapi.BootstrapTokenPattern)

// SecretName is the name of a machine's Secret in the hosted namespace.
func SecretName(machine string) string { return machine + "-bootstrap" }

// ReadToken takes the token from the machine's Secret in the hosted namespace.
func ReadToken(secret *corev1.Secret) (Token, error) {
	token := Token{ID: string(secret.Data[TokenIDKey]), Secret: string(secret.Data[TokenSecretKey])}
	if !tokenPattern.MatchString(token.Bearer()) {
		return Token{}, errors.New("Secret " + secret.Name + " holds no bootstrap token")
	}
	return token, nil
}

// SecretData is what the machine's Secret in the hosted namespace holds; the
// keys of the cloud-init data are KubeVirt's.
func SecretData(token Token, data Data, userDataKey, networkDataKey string) map[string][]byte {
	return map[string][]byte{
		TokenIDKey:     []byte(token.ID),
		TokenSecretKey: []byte(token.Secret),
		userDataKey:    data.UserData,
		networkDataKey: data.NetworkData,
	}
}

// TokenSecretName is the name of the token's Secret in the tenant's kube-system.
func TokenSecretName(token Token) string {
	return bootstrapapi.BootstrapTokenSecretPrefix + token.ID
}

// Expiration is when a token ends that is valid now, for a machine made at
// created. It moves in steps of half a lifetime, so that writing it again
// changes nothing until the next step, which is returned as renewal.
func Expiration(created, now time.Time) (expiration, renewal time.Time) {
	const step = tokenLifetime / 2
	steps := max(0, now.Sub(created)/step)
	begin := created.Add(steps * step)
	return begin.Add(tokenLifetime), begin.Add(step)
}

// TokenSecret is the token as the tenant's API server takes it.
// Format: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
func TokenSecret(machine string, token Token, expiration time.Time) *corev1ac.SecretApplyConfiguration {
	return corev1ac.Secret(TokenSecretName(token), metav1.NamespaceSystem).
		WithType(bootstrapapi.SecretTypeBootstrapToken).
		WithData(map[string][]byte{
			TokenIDKey:     []byte(token.ID),
			TokenSecretKey: []byte(token.Secret),
			bootstrapapi.BootstrapTokenDescriptionKey:      []byte("Slipway Machine " + machine),
			bootstrapapi.BootstrapTokenExpirationKey:       []byte(expiration.UTC().Format(time.RFC3339)),
			bootstrapapi.BootstrapTokenExtraGroupsKey:      []byte(v1alpha1.GroupBootstrappers),
			bootstrapapi.BootstrapTokenUsageAuthentication: []byte("true"),
		})
}
