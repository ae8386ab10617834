// Package processes runs a control plane from the commands of its pods: the
// real programs, on loopback.
package processes

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/testenv"
	"slipway.dev/operators/cluster/addons"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/controlplane/apiserver"
	"slipway.dev/operators/cluster/controlplane/controllermanager"
	"slipway.dev/operators/cluster/controlplane/controlplanetest"
	"slipway.dev/operators/cluster/controlplane/etcd"
	"slipway.dev/operators/cluster/controlplane/scheduler"
	"slipway.dev/operators/cluster/kubeconfig"
)

const patience = 2 * time.Minute

// host turns what is written for pods into what runs on this machine.
type host struct {
	*testing.T
	folder   string
	replacer *strings.Replacer
	ports    map[string]string
}

func newHost(t *testing.T, tenant controlplane.Tenant) *host {
	t.Helper()
	h := &host{T: t, folder: t.TempDir(), ports: map[string]string{}}
	replacements := []string{
		controlplane.PKIPath, filepath.Join(h.folder, "pki"),
		"/var/lib/etcd", filepath.Join(h.folder, "etcd"),
		"$(POD_NAME)." + tenant.ServiceHost(controlplane.Etcd), "127.0.0.1",
		etcd.MemberHosts(tenant)[0], "127.0.0.1",
		tenant.ServiceHost(controlplane.EtcdClientService), "127.0.0.1",
		tenant.ServiceHost(controlplane.APIServer), "127.0.0.1",
		"$(POD_NAME)", "etcd-0",
		"$(POD_INDEX)", "0",
		"0.0.0.0", "127.0.0.1",
	}
	for _, port := range []string{"2379", "2380", "2381", "6443", "10257", "10259", "53", "8080", "8181", "9153"} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, h.ports[port], _ = net.SplitHostPort(listener.Addr().String())
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
		replacements = append(replacements, ":"+port, ":"+h.ports[port], "secure-port="+port, "secure-port="+h.ports[port])
	}
	h.replacer = strings.NewReplacer(replacements...)
	return h
}

// run starts the program of a container until the test ends.
func (h *host) run(container []string, more ...string) {
	h.Helper()
	var arguments []string
	for _, argument := range container[1:] {
		arguments = append(arguments, h.replacer.Replace(argument))
	}
	var output bytes.Buffer
	command := exec.Command(testenv.Binary(h, container[0]), append(arguments, more...)...)
	command.Stdout, command.Stderr = &output, &output
	command.Dir = h.folder
	// Whatever happens to the test, its processes do not outlive it.
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() {
		if err := command.Process.Signal(syscall.SIGTERM); err != nil {
			h.Errorf("end %s: %v", container[0], err)
		}
		_ = command.Wait() // its state says how it ended
		if h.Failed() {
			text := output.String()
			h.Logf("%s ended with %s:\n%s", container[0], command.ProcessState, text[max(0, len(text)-4000):])
		}
	})
}

// await asks until the thing is there.
func (h *host) await(what string, ask func(context.Context) error) {
	h.Helper()
	var last error
	err := wait.PollUntilContextTimeout(h.Context(), 100*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		last = ask(ctx)
		return last == nil, nil
	})
	if err != nil {
		h.Fatalf("%s: %v", what, last)
	}
}

func (h *host) client(user string) client.Client {
	h.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, rbacv1.AddToScheme, discoveryv1.AddToScheme, authorizationv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			h.Fatal(err)
		}
	}
	c, err := client.New(h.config(user), client.Options{Scheme: scheme})
	if err != nil {
		h.Fatal(err)
	}
	return c
}

func (h *host) config(user string) *rest.Config {
	file := func(name string) string { return filepath.Join(h.folder, "pki", user, name) }
	return &rest.Config{
		Host:            "https://127.0.0.1:" + h.ports["6443"],
		TLSClientConfig: rest.TLSClientConfig{CAFile: file("ca.crt"), CertFile: file("tls.crt"), KeyFile: file("tls.key")},
	}
}

func (h *host) issuePKI() {
	h.Helper()
	folder := filepath.Join(h.folder, "pki")
	kubernetes := newAuthority(h.T, folder, v1alpha1.SecretCA)
	kubernetes.leaf(v1alpha1.SecretAPIServer, "kube-apiserver")
	kubernetes.leaf(v1alpha1.SecretAPIServerKubeletClient, "kube-apiserver-kubelet-client")
	kubernetes.leaf(v1alpha1.SecretControllerManager, "system:kube-controller-manager")
	kubernetes.leaf(v1alpha1.SecretScheduler, "system:kube-scheduler")
	kubernetes.leaf(v1alpha1.SecretAdmin, "kubernetes-admin", v1alpha1.GroupClusterAdmins)
	kubernetes.leaf(v1alpha1.SecretClusterOperator, "slipway:cluster-operator", "system:masters")
	kubernetes.leaf(v1alpha1.SecretKVMOperator, v1alpha1.UserKVMOperator)
	kubernetes.leaf(v1alpha1.SecretServiceAccount, "unused")
	store := newAuthority(h.T, folder, v1alpha1.SecretEtcdCA)
	store.leaf(v1alpha1.SecretEtcdServer, "etcd-server")
	store.leaf(v1alpha1.SecretEtcdPeer, "etcd-peer")
	store.leaf(v1alpha1.SecretAPIServerEtcdClient, "kube-apiserver-etcd-client")
	newAuthority(h.T, folder, v1alpha1.SecretFrontProxyCA).leaf(v1alpha1.SecretFrontProxyClient, "front-proxy-client")
}

// writeKubeconfig does for a process what the mounted Secret does for a pod.
// There is one file of that name for all of them here, so each has its own.
func (h *host) writeKubeconfig(secret string) string {
	h.Helper()
	pki := filepath.Join(h.folder, "pki", secret)
	encoded, err := kubeconfig.Encode(types.NamespacedName{Namespace: "team", Name: "demo"}, "https://127.0.0.1:"+h.ports["6443"], kubeconfig.User{
		Name: secret, CertificateFile: filepath.Join(pki, "tls.crt"), KeyFile: filepath.Join(pki, "tls.key"), CAFile: filepath.Join(pki, "ca.crt"),
	})
	if err != nil {
		h.Fatal(err)
	}
	path := filepath.Join(pki, "kubeconfig")
	if err := os.WriteFile(path, encoded, 0o600); err != nil {
		h.Fatal(err)
	}
	return path
}

func (h *host) runControlPlane(tenant controlplane.Tenant) {
	h.Helper()
	h.run(etcd.StatefulSet(tenant).Spec.Template.Spec.Containers[0].Command)
	server, err := apiserver.StatefulSet(tenant)
	if err != nil {
		h.Fatal(err)
	}
	h.run(server.Spec.Template.Spec.Containers[0].Command, "--bind-address=127.0.0.1")
	ready, err := discovery.NewDiscoveryClientForConfig(h.config(v1alpha1.SecretClusterOperator))
	if err != nil {
		h.Fatal(err)
	}
	h.await("the API server is not ready", func(ctx context.Context) error {
		return ready.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	})
	path := h.writeKubeconfig(v1alpha1.SecretControllerManager)
	h.run(controllermanager.Deployment(tenant).Spec.Template.Spec.Containers[0].Command, "--secure-port="+h.ports["10257"],
		"--kubeconfig="+path, "--authentication-kubeconfig="+path, "--authorization-kubeconfig="+path)
	path = h.writeKubeconfig(v1alpha1.SecretScheduler)
	config := strings.ReplaceAll(string(scheduler.Config()), controlplane.ConfigFile(v1alpha1.KubeconfigKey), path)
	if err := os.WriteFile(filepath.Join(h.folder, "pki", scheduler.ConfigFileKey), []byte(config), 0o600); err != nil {
		h.Fatal(err)
	}
	h.run(scheduler.Deployment(tenant).Spec.Template.Spec.Containers[0].Command, "--secure-port="+h.ports["10259"],
		"--authentication-kubeconfig="+path, "--authorization-kubeconfig="+path)
}

func TestControlPlaneRuns(t *testing.T) {
	ctrl.SetLogger(logr.Discard())
	tenant := controlplanetest.Tenant()
	h := newHost(t, tenant)
	h.issuePKI()
	h.runControlPlane(tenant)
	operator := h.client(v1alpha1.SecretClusterOperator)

	h.await("kubernetes is not at the API server's address on the tenant's network", func(ctx context.Context) error {
		slice := &discoveryv1.EndpointSlice{}
		if err := operator.Get(ctx, client.ObjectKey{Namespace: "default", Name: "kubernetes"}, slice); err != nil {
			return err
		}
		if got := slice.Endpoints[0].Addresses[0]; got != "10.200.0.10" {
			return fmt.Errorf("endpoint is %s", got)
		}
		return nil
	})
	h.await("the add-ons are refused", func(ctx context.Context) error {
		return apply.Objects(ctx, operator, "test", append(addons.RBAC(), addons.ClusterDNS(clusterDNS(tenant))...)...)
	})
	// Its pod is made by the controller manager, and found to fit nowhere by the scheduler.
	h.await("controller manager and scheduler do not work", func(ctx context.Context) error {
		pods := &corev1.PodList{}
		if err := operator.List(ctx, pods, client.InNamespace(addons.CoreDNSNamespace)); err != nil {
			return err
		}
		for _, pod := range pods.Items {
			for _, condition := range pod.Status.Conditions {
				if condition.Type == corev1.PodScheduled && condition.Reason == corev1.PodReasonUnschedulable {
					return nil
				}
			}
		}
		return fmt.Errorf("%d pods in %s, none unschedulable", len(pods.Items), addons.CoreDNSNamespace)
	})
	h.wantAccess()
	h.wantIssuer(tenant)
}

func clusterDNS(tenant controlplane.Tenant) addons.DNS {
	return addons.DNS{
		Image: "registry.example.com/coredns:v1.15.0", Domain: tenant.Spec.DNS.Domain, Address: "10.96.0.10", Placement: addons.Placement{Replicas: 1},
		IssuerHost: controlplane.IssuerHost(tenant.UID, tenant.Spec.DNS.Domain),
	}
}

// wantAccess asks the API server itself what others than the cluster-operator may do.
func (h *host) wantAccess() {
	h.Helper()
	const (
		user    = v1alpha1.SecretAdmin
		server  = v1alpha1.SecretAPIServerKubeletClient
		kvm     = v1alpha1.SecretKVMOperator
		signing = "certificates.k8s.io"
	)
	for _, question := range []struct {
		who string
		authorizationv1.ResourceAttributes
		allowed bool
	}{
		{user, authorizationv1.ResourceAttributes{Verb: "*", Group: "*", Resource: "*"}, true},
		{server, authorizationv1.ResourceAttributes{Verb: "create", Resource: "nodes", Subresource: "proxy"}, true},
		{server, authorizationv1.ResourceAttributes{Verb: "get", Resource: "secrets", Namespace: "default"}, false},
		{kvm, authorizationv1.ResourceAttributes{Verb: "watch", Resource: "nodes"}, true},
		{kvm, authorizationv1.ResourceAttributes{Verb: "create", Resource: "pods", Subresource: "eviction", Namespace: "default"}, true},
		{kvm, authorizationv1.ResourceAttributes{Verb: "create", Resource: "secrets", Namespace: "kube-system"}, true},
		{kvm, authorizationv1.ResourceAttributes{Verb: "approve", Group: signing, Resource: "signers", Name: "kubernetes.io/kubelet-serving"}, true},
		{kvm, authorizationv1.ResourceAttributes{Verb: "approve", Group: signing, Resource: "signers", Name: "kubernetes.io/kube-apiserver-client-kubelet"}, true},
		{kvm, authorizationv1.ResourceAttributes{Verb: "approve", Group: signing, Resource: "signers", Name: "kubernetes.io/kube-apiserver-client"}, false},
		{kvm, authorizationv1.ResourceAttributes{Verb: "get", Resource: "secrets", Namespace: "default"}, false},
		{kvm, authorizationv1.ResourceAttributes{Verb: "create", Resource: "pods", Namespace: "default"}, false},
	} {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &question.ResourceAttributes}}
		if err := h.client(question.who).Create(h.Context(), review); err != nil {
			h.Fatal(err)
		}
		if review.Status.Allowed != question.allowed {
			h.Errorf("%s, %s %s/%s: allowed %t", question.who, question.Verb, question.Resource, question.Name, review.Status.Allowed)
		}
	}
}
