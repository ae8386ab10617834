package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// extension is what the manifests of the webhook and the aggregated API need.
type extension struct {
	Image, EtcdImage             string
	CertificateBase64, KeyBase64 string
}

// The tenant's API server calls a webhook that runs in the tenant. Agnhost's
// /configmaps denies a ConfigMap with the data webhook-e2e-test: webhook-disallow.
func testWebhook(t *testing.T, te *tenant) {
	certificate, key := servingCertificate(t, "webhook.extension.svc")
	te.applyManifest(t, "webhook.yaml", extension{Image: image(agnhostImage), CertificateBase64: certificate, KeyBase64: key})
	te.awaitDeployment(t, "extension", "webhook")

	configMap := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "extension", Name: "denied"},
		Data:       map[string]string{"webhook-e2e-test": "webhook-disallow"},
	}
	err := te.client.Create(t.Context(), configMap)
	if err == nil || !strings.Contains(err.Error(), "the configmap contains unwanted key and value") {
		t.Fatalf("the webhook should have denied the ConfigMap, got: %v", err)
	}
	configMap.Data = map[string]string{"a": "b"}
	if err := te.client.Create(t.Context(), configMap); err != nil {
		t.Fatalf("the webhook should have allowed the ConfigMap: %v", err)
	}
}

// An aggregated API, served from a pod of the tenant, answers through the tenant's API server.
func testAggregatedAPI(t *testing.T, te *tenant) {
	certificate, key := servingCertificate(t, "api.wardle.svc")
	te.applyManifest(t, "aggregated-api.yaml", extension{
		Image: image(sampleAPIServerImage), EtcdImage: image(etcdImage), CertificateBase64: certificate, KeyBase64: key,
	})
	te.awaitDeployment(t, "wardle", "api")
	apiService := &unstructured.Unstructured{}
	apiService.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiregistration.k8s.io", Version: "v1", Kind: "APIService"})
	apiService.SetName("v1alpha1.wardle.example.com")
	awaitObject(t, te.client, apiService, "APIService", func(o *unstructured.Unstructured) bool {
		conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
		for _, c := range conditions {
			if c, ok := c.(map[string]any); ok && c["type"] == "Available" {
				return c["status"] == "True"
			}
		}
		return false
	})
	flunder := &unstructured.Unstructured{}
	flunder.SetGroupVersionKind(schema.GroupVersionKind{Group: "wardle.example.com", Version: "v1alpha1", Kind: "Flunder"})
	flunder.SetNamespace("default")
	flunder.SetName("one")
	te.retryUnavailable(t, "create through the aggregated API", func() error {
		return client.IgnoreAlreadyExists(te.client.Create(t.Context(), flunder))
	})
	var output string
	te.retryUnavailable(t, "read through the aggregated API", func() (err error) {
		output, err = te.kubectl(t, "get", "--raw", "/apis/wardle.example.com/v1alpha1/namespaces/default/flunders/one")
		return err
	})
	if !strings.Contains(output, `"kind":"Flunder"`) {
		t.Fatalf("read through the aggregated API: %q", output)
	}
}

// retryUnavailable asks again while the API server says that an aggregated API is unavailable: it holds one for absent
// whose answer to its last look was late, as those from an emulated guest may be, until it looks again.
func (te *tenant) retryUnavailable(t *testing.T, what string, ask func() error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 5*time.Second, 2*time.Minute, true, func(context.Context) (bool, error) {
		if last = ask(); last != nil && strings.Contains(last.Error(), "unable to handle the request") {
			return false, nil
		}
		return true, last
	})
	if err != nil {
		t.Fatalf("%s: %v, last answer %v", what, err, last)
	}
}

func (te *tenant) awaitDeployment(t *testing.T, namespace, name string) {
	t.Helper()
	awaitObject(t, te.client, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}, "Deployment "+name,
		func(d *appsv1.Deployment) bool {
			return d.Status.ObservedGeneration == d.Generation && d.Status.ReadyReplicas == *d.Spec.Replicas
		})
}

// servingCertificate is a self-signed certificate for one name: PEM, then base64 as manifests want it.
func servingCertificate(t *testing.T, name string) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: name},
		DNSNames:              []string{name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, der []byte) string {
		return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return encode("CERTIFICATE", raw), encode("EC PRIVATE KEY", encoded)
}
