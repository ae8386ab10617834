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
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
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
	if err := te.client.Create(t.Context(), flunder); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatalf("create through the aggregated API: %v", err)
	}
	// The API server holds an aggregated API for absent whose answer to its last look was late, until it looks again.
	var output string
	err := wait.PollUntilContextTimeout(t.Context(), 5*time.Second, time.Minute, true, func(context.Context) (bool, error) {
		var err error
		output, err = te.kubectl(t, "get", "--raw", "/apis/wardle.example.com/v1alpha1/namespaces/default/flunders/one")
		if err != nil && strings.Contains(err.Error(), "ServiceUnavailable") {
			return false, nil
		}
		return true, err
	})
	if err != nil || !strings.Contains(output, `"kind":"Flunder"`) {
		t.Fatalf("read through the aggregated API: %q, %v", output, err)
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
