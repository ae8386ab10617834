package e2e

import (
	"bufio"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"text/template"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

//go:embed manifests
var manifests embed.FS

// A team applies a TenantCluster, waits until it is Ready, and uses it as any other cluster.
func TestCreate(t *testing.T) {
	te := alpha.get(t)

	t.Run("nodes", func(t *testing.T) {
		output, err := te.kubectl(t, "get", "nodes", "--no-headers")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(output, "\n") != 0 || !strings.Contains(output, " Ready ") || !strings.Contains(output, string(te.Spec.Version)) {
			t.Fatalf("want one Ready node of %s, got:\n%s", te.Spec.Version, output)
		}
	})

	t.Run("images have digests", func(t *testing.T) { testDigests(t, te) })

	te.deployServer(t, "default", "server", 1)
	pod := te.serverPod(t, "default", "server")

	t.Run("logs", func(t *testing.T) {
		output, err := te.kubectl(t, "logs", pod.Name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(output, "Started HTTP server") {
			t.Fatalf("the log of agnhost netexec does not say that it has started:\n%s", output)
		}
	})
	t.Run("exec", func(t *testing.T) {
		output, err := te.kubectl(t, "exec", pod.Name, "--", "/agnhost", "--version")
		if err != nil {
			t.Fatal(err)
		}
		if output == "" {
			t.Fatal("exec printed nothing")
		}
	})
	t.Run("debug node", func(t *testing.T) { testDebugNode(t, te, pod.Spec.NodeName) })
	t.Run("port-forward", func(t *testing.T) { testPortForward(t, te, pod) })
	t.Run("cluster DNS and ClusterIP", func(t *testing.T) {
		output, err := te.dial(t, pod, "server.default.svc.cluster.local", 80)
		if err != nil {
			t.Fatal(err)
		}
		if output != pod.Name {
			t.Fatalf("the Service answered %q, want %q", output, pod.Name)
		}
	})
	t.Run("kubernetes Service", func(t *testing.T) {
		if _, err := te.kubectl(t, "exec", pod.Name, "--", "/agnhost", "connect", "--timeout=5s", "kubernetes.default.svc.cluster.local:443"); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("names of the tenant's own", func(t *testing.T) { testOwnNames(t, te, pod) })
	t.Run("validating webhook", func(t *testing.T) { testWebhook(t, te) })
	t.Run("aggregated API", func(t *testing.T) { testAggregatedAPI(t, te) })
}

// testDebugNode looks around on a worker, which has no SSH.
func testDebugNode(t *testing.T, te *tenant, node string) {
	_, err := te.kubectl(t, "debug", "node/"+node, "--image="+image(agnhostImage), "--profile=sysadmin", "--",
		"/host/usr/bin/busybox", "chroot", "/host", "sh", "-c", "cat /etc/hostname")
	if err != nil {
		t.Fatal(err)
	}
	var debugger *corev1.Pod
	awaitObjects(t, te.client, &corev1.Pod{}, "the debugger's pod has ended", func(pods []*corev1.Pod) bool {
		for _, pod := range pods {
			if strings.HasPrefix(pod.Name, "node-debugger-"+node) && pod.Status.Phase == corev1.PodSucceeded {
				debugger = pod
			}
		}
		return debugger != nil
	}, client.InNamespace("default"))
	if output, err := te.kubectl(t, "logs", debugger.Name); err != nil || output != node {
		t.Errorf("the worker's name is %q, %v; want %q", output, err, node)
	}
	if err := te.client.Delete(t.Context(), debugger); err != nil {
		t.Fatal(err)
	}
}

// testOwnNames has cluster DNS answer what the tenant's users add to it.
func testOwnNames(t *testing.T, te *tenant, pod *corev1.Pod) {
	service := &corev1.Service{}
	if err := te.client.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "server"}, service); err != nil {
		t.Fatal(err)
	}
	custom := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "coredns-custom"},
		Data: map[string]string{
			"shop.override": "rewrite name exact shop.example.com server.default.svc.cluster.local\n",
			"corp.server":   "corp.example.com:53 {\n  hosts {\n    " + service.Spec.ClusterIP + " server.corp.example.com\n  }\n}\n",
		},
	}
	if err := te.client.Create(t.Context(), custom); err != nil {
		t.Fatal(err)
	}
	for _, arguments := range [][]string{
		{"rollout", "restart", "deployment/coredns", "-n", "kube-system"},
		{"rollout", "status", "deployment/coredns", "-n", "kube-system", "--timeout=3m"},
	} {
		if _, err := te.kubectl(t, arguments...); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"shop.example.com", "server.corp.example.com"} {
		if output, err := te.dial(t, pod, name, 80); err != nil || output != pod.Name {
			t.Errorf("%s answers %q, %v", name, output, err)
		}
	}
}

// deployServer runs agnhost's HTTP server behind a Service of the same name.
func (te *tenant) deployServer(t *testing.T, namespace, name string, replicas int32) {
	t.Helper()
	labels := map[string]string{"app": name}
	deployment := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					TerminationGracePeriodSeconds: new(int64(1)),
					TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{
						MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.ScheduleAnyway,
						LabelSelector: &metav1.LabelSelector{MatchLabels: labels},
					}},
					Containers: []corev1.Container{{
						Name:    "server",
						Image:   image(agnhostImage),
						Command: []string{"/agnhost", "netexec", "--http-port=8080"},
						ReadinessProbe: &corev1.Probe{
							ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromInt32(8080)}},
							PeriodSeconds: 1,
						},
					}},
				},
			},
		},
	}
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       corev1.ServiceSpec{Selector: labels, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}}},
	}
	for _, object := range []client.Object{deployment, service} {
		if err := te.client.Create(t.Context(), object); err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
	}
	awaitObject(t, te.client, deployment, "Deployment "+name,
		func(d *appsv1.Deployment) bool {
			return d.Status.ObservedGeneration == d.Generation && d.Status.ReadyReplicas == replicas
		})
}

// serverPod is a pod of a Deployment made by deployServer.
func (te *tenant) serverPod(t *testing.T, namespace, name string) *corev1.Pod {
	t.Helper()
	pods := &corev1.PodList{}
	if err := te.client.List(t.Context(), pods, client.InNamespace(namespace), client.MatchingLabels{"app": name}); err != nil {
		t.Fatal(err)
	}
	for i := range pods.Items {
		if pods.Items[i].DeletionTimestamp == nil {
			return &pods.Items[i]
		}
	}
	t.Fatalf("no pod of %s/%s", namespace, name)
	return nil
}

// dial lets a pod made by deployServer ask another such server for its host
// name, over HTTP, and gives the answer.
func (te *tenant) dial(t *testing.T, pod *corev1.Pod, host string, port int) (string, error) {
	t.Helper()
	query := url.Values{"request": {"hostname"}, "protocol": {"http"}, "host": {host}, "port": {strconv.Itoa(port)}, "tries": {"1"}}
	output, err := te.kubectl(t, "get", "--raw",
		fmt.Sprintf("/api/v1/namespaces/%s/pods/%s:8080/proxy/dial?%s", pod.Namespace, pod.Name, query.Encode()))
	if err != nil {
		return "", err
	}
	var answer struct{ Responses, Errors []string }
	if err := json.Unmarshal([]byte(output), &answer); err != nil {
		return "", fmt.Errorf("read answer %q: %w", output, err)
	}
	if len(answer.Responses) != 1 {
		return "", fmt.Errorf("%s:%d did not answer: %v", host, port, answer.Errors)
	}
	return answer.Responses[0], nil
}

func testPortForward(t *testing.T, te *tenant, pod *corev1.Pod) {
	ctx, cancel := context.WithTimeout(t.Context(), story)
	defer cancel()
	command := te.kubectlCommand(ctx, "port-forward", pod.Name, ":8080")
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		_ = command.Wait() // it was ended on purpose
	}()
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatalf("read address of port-forward: %v", err)
	}
	var port int
	if _, err := fmt.Sscanf(line, "Forwarding from 127.0.0.1:%d", &port); err != nil {
		t.Fatalf("port-forward said %q: %v", line, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/hostname", port), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if string(body) != pod.Name {
		t.Fatalf("the forwarded port answered %q, want %q", body, pod.Name)
	}
}

// applyManifest renders a file of manifests/ and applies it with kubectl.
func (te *tenant) applyManifest(t *testing.T, name string, values any) {
	t.Helper()
	text, err := template.ParseFS(manifests, "manifests/"+name)
	if err != nil {
		t.Fatal(err)
	}
	var rendered strings.Builder
	if err := text.Execute(&rendered, values); err != nil {
		t.Fatal(err)
	}
	command := te.kubectlCommand(t.Context(), "apply", "-f", "-")
	command.Stdin = strings.NewReader(rendered.String())
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("apply %s: %v\n%s", name, err, output)
	}
}
