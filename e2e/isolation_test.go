package e2e

import (
	"context"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
)

// target is an address that a tenant must not reach.
type target struct {
	name, host string
	port       int
}

func (a target) String() string { return net.JoinHostPort(a.host, strconv.Itoa(a.port)) }

// Two tenants with identical CIDRs live side by side, and neither reaches the
// other nor the management cluster: not from a pod, not through its own API
// server, and not with its own credentials.
func TestIsolation(t *testing.T) {
	// Both have the same names for everything inside, too.
	two := submit(t, specification("team-beta", "main"))
	one := alpha.get(t)
	two.awaitReady(t)
	if one.Spec.Network != two.Spec.Network {
		t.Fatalf("this story wants identical ranges, got %v and %v", one.Spec.Network, two.Spec.Network)
	}
	for _, te := range []*tenant{one, two} {
		te.deployServer(t, "default", "server", 1)
	}

	t.Run("equal addresses are each tenant's own", func(t *testing.T) { testOwnAddresses(t, one, two) })
	targets := append(managementTargets(t), hostedTargets(t, two)...)
	t.Run("the targets are alive", func(t *testing.T) { testTargetsAlive(t, targets) })
	t.Run("from a pod", func(t *testing.T) {
		pod := one.serverPod(t, "default", "server")
		if err := one.connectFrom(t, pod, target{name: "own API", host: "kubernetes.default.svc", port: 443}); err != nil {
			t.Fatalf("a pod reaches its own API server: %v", err)
		}
		// All at once: each waits until its attempt times out.
		var attempts sync.WaitGroup
		defer attempts.Wait()
		for _, target := range targets {
			attempts.Go(func() {
				if err := one.connectFrom(t, pod, target); err == nil {
					t.Errorf("a pod of a tenant reached %s at %s", target.name, target)
				}
			})
		}
	})
	t.Run("through the API server", func(t *testing.T) { testProxyBridge(t, one, targets) })
	t.Run("with its own credentials", func(t *testing.T) { testForeignCredentials(t, one, two) })
}

// testOwnAddresses: each tenant's pod answers at its address in its own
// tenant, under its own name, though the addresses of both may be equal.
func testOwnAddresses(t *testing.T, one, two *tenant) {
	podOne, podTwo := one.serverPod(t, "default", "server"), two.serverPod(t, "default", "server")
	for _, from := range []struct {
		te         *tenant
		pod, other *corev1.Pod
	}{{one, podOne, podTwo}, {two, podTwo, podOne}} {
		answer, err := from.te.dial(t, from.pod, from.pod.Status.PodIP, 8080)
		if err != nil || answer != from.pod.Name {
			t.Errorf("pod %s answers %q in its own tenant, %v", from.pod.Name, answer, err)
		}
		if answer, _ := from.te.dial(t, from.pod, from.other.Status.PodIP, 8080); answer == from.other.Name {
			t.Errorf("pod %s reached pod %s of another tenant", from.pod.Name, from.other.Name)
		}
	}
}

// managementTargets are the API, etcd and kubelets of the management cluster.
func managementTargets(t *testing.T) []target {
	t.Helper()
	nodes := &corev1.NodeList{}
	if err := env.management.List(t.Context(), nodes); err != nil {
		t.Fatal(err)
	}
	var targets []target
	for _, node := range nodes.Items {
		for _, address := range node.Status.Addresses {
			if address.Type != corev1.NodeInternalIP {
				continue
			}
			targets = append(targets,
				target{"kubelet of management node " + node.Name, address.Address, 10250},
				target{"management etcd", address.Address, 2379},
				target{"management API on node " + node.Name, address.Address, 6443})
		}
	}
	service := &corev1.Service{}
	if err := env.management.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "kubernetes"}, service); err != nil {
		t.Fatal(err)
	}
	return append(targets, target{"management API Service", service.Spec.ClusterIP, 443})
}

// hostedTargets are the control plane of a tenant, as the management cluster sees it.
func hostedTargets(t *testing.T, te *tenant) []target {
	t.Helper()
	pods := &corev1.PodList{}
	if err := env.management.List(t.Context(), pods, client.InNamespace(te.Status.HostedNamespace)); err != nil {
		t.Fatal(err)
	}
	var targets []target
	for _, pod := range pods.Items {
		switch {
		case strings.HasPrefix(pod.Name, "etcd-"):
			targets = append(targets, target{"etcd of the other tenant", pod.Status.PodIP, 2379})
		case strings.HasPrefix(pod.Name, "kube-apiserver-"):
			targets = append(targets, target{"API server pod of the other tenant", pod.Status.PodIP, v1alpha1.APIServerPort})
		}
	}
	service := &corev1.Service{}
	if err := env.management.Get(t.Context(), client.ObjectKey{Namespace: te.Status.HostedNamespace, Name: "kube-apiserver"}, service); err != nil {
		t.Fatal(err)
	}
	return append(targets, target{"API Service of the other tenant", service.Spec.ClusterIP, v1alpha1.APIServerPort})
}

// testTargetsAlive: on the management node every target does answer, so that
// the refusals of this story mean something.
func testTargetsAlive(t *testing.T, targets []target) {
	if len(env.nodeCommand) == 0 {
		t.Skip("E2E_NODE_COMMAND is not set: this cluster gives no shell on its nodes")
	}
	for _, target := range targets {
		arguments := append(env.nodeCommand[1:], "agnhost", "connect", "--timeout=5s", target.String())
		if output, err := exec.CommandContext(t.Context(), env.nodeCommand[0], arguments...).CombinedOutput(); err != nil {
			t.Errorf("%s at %s does not answer on the management node: %v\n%s", target.name, target, err, output)
		}
	}
}

// connectFrom opens a TCP connection from a pod made by deployServer.
func (te *tenant) connectFrom(t *testing.T, pod *corev1.Pod, to target) error {
	t.Helper()
	_, err := te.kubectl(t, "exec", "-n", pod.Namespace, pod.Name, "--", "/agnhost", "connect", "--timeout=3s", to.String())
	return err
}

// testProxyBridge: the administrator of a tenant makes Nodes with foreign
// addresses and asks the API server, which also has a NIC on the management
// side, to proxy to their kubelets.
func testProxyBridge(t *testing.T, te *tenant, targets []target) {
	nodes := &corev1.NodeList{}
	if err := te.client.List(t.Context(), nodes); err != nil {
		t.Fatal(err)
	}
	if output, err := te.proxyToNode(t, nodes.Items[0].Name); err != nil || output != "ok" {
		t.Fatalf("the API server proxies to the tenant's own node: %q, %v", output, err)
	}
	var attempts sync.WaitGroup
	defer attempts.Wait()
	for i, target := range targets {
		attempts.Go(func() { te.proxyTo(t, "bridge-"+strconv.Itoa(i), target) })
	}
}

// proxyTo makes a Node that has its kubelet at the target, and fails the story if the API server gets an answer there.
func (te *tenant) proxyTo(t *testing.T, name string, to target) {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: to.host}}
	node.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(to.port)
	if err := te.client.Create(t.Context(), node); err != nil {
		t.Errorf("make Node %s: %v", name, err)
		return
	}
	output, err := te.proxyToNode(t, name)
	if reached(output, err) {
		t.Errorf("the API server proxied to %s at %s: %q, %v", to.name, to, output, err)
	}
	if err := te.client.Delete(t.Context(), node); err != nil {
		t.Errorf("delete Node %s: %v", name, err)
	}
}

// proxyToNode asks the API server to ask a node's kubelet how it is.
func (te *tenant) proxyToNode(t *testing.T, name string) (string, error) {
	t.Helper()
	return te.kubectl(t, "get", "--raw", "/api/v1/nodes/"+name+"/proxy/healthz", "--request-timeout=8s")
}

// reached tells an answer of the target, also a refusal by it, from no connection at all.
func reached(output string, err error) bool {
	if err == nil {
		return true
	}
	for _, sign := range []string{"connect: ", "i/o timeout", "deadline exceeded", "Timeout", "no route to host", "connection refused", "timed out"} {
		if strings.Contains(err.Error(), sign) || strings.Contains(output, sign) {
			return false
		}
	}
	return true
}

// testForeignCredentials: the certificate of one tenant is worth nothing at
// the API server of the other, nor at that of the management cluster.
func testForeignCredentials(t *testing.T, one, two *tenant) {
	for name, server := range map[string]struct {
		url string
		ca  []byte
	}{
		"the other tenant":       {two.config.Host, two.config.CAData},
		"the management cluster": {env.config.Host, env.config.CAData},
	} {
		config := *one.config
		config.Host, config.CAData = server.url, server.ca
		c, err := newClient(&config)
		if err == nil {
			err = c.List(context.Background(), &corev1.NamespaceList{})
		}
		if err == nil || !strings.Contains(err.Error(), "Unauthorized") && !strings.Contains(err.Error(), "provide credentials") {
			t.Errorf("%s answered the credentials of a tenant with: %v", name, err)
		}
	}
}
