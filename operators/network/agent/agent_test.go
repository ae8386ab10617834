package agent_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/google/go-cmp/cmp"
	nadv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/operator"
	"slipway.dev/kit/testenv"
	"slipway.dev/operators/network/agent"
	"slipway.dev/operators/network/fabric"
	"slipway.dev/operators/network/netlink"
	"slipway.dev/operators/network/netnstest"
	"slipway.dev/operators/network/reconcilers/hostnetwork"
	"slipway.dev/operators/network/reconcilers/networkport"
	"slipway.dev/operators/network/reconcilers/tenantnetwork"
)

const (
	nodeName  = "node-1"
	templates = "../../../charts/network-operator/templates/"
)

var tenantNamespace = v1alpha1.HostedNamespace("default", "demo")

// environment is a management cluster of one node: a real API server, the
// operator and the agent with the rights of their charts, the CNI plugin, and
// network namespaces for the node and its pods.
type environment struct {
	t         *testing.T
	client    client.Client // without a cache
	directory string        // of network namespaces
	node      string        // path of the node's
	socket    string
	plugin    string
}

func newEnvironment(t *testing.T) *environment {
	e := &environment{t: t, directory: netnstest.Directory(t), socket: filepath.Join(t.TempDir(), "agent.sock")}
	e.node = netnstest.New(t, e.directory, "self")
	netnstest.Run(t, e.node, "ip link add eth0 mtu 1400 type bridge")
	netnstest.Run(t, e.node, "ip address add 10.99.0.1/24 dev eth0")
	netnstest.Run(t, e.node, "ip link set eth0 up")
	e.plugin = filepath.Join(t.TempDir(), "slipway-cni")
	if output, err := exec.Command("go", "build", "-o", e.plugin, "../cni").CombinedOutput(); err != nil {
		t.Fatalf("build CNI plugin: %v\n%s", err, output)
	}
	config := testenv.Start(t, testenv.SlipwayCRDs(3), "../testdata/networks-crd.yaml")
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme, nadv1.AddToScheme} {
		must(t, add(scheme))
	}
	var err error
	e.client, err = client.New(config, client.Options{Scheme: scheme})
	must(t, err)
	e.create(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName}})
	e.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: tenantNamespace, Annotations: map[string]string{v1alpha1.AnnotationTenantUID: "uid"},
		Labels: map[string]string{v1alpha1.LabelTenant: tenantNamespace, v1alpha1.LabelTenantNamespace: "default", v1alpha1.LabelTenantName: "demo"},
	}})

	// Both are made before one runs: making one sets the loggers of all.
	operators := e.manager(testenv.As(t, config, templates+"clusterrole.yaml"), scheme)
	agents := e.manager(testenv.As(t, config, templates+"agent-clusterrole.yaml"), scheme)
	must(t, (&tenantnetwork.Reconciler{Client: operators.GetClient(), Live: operators.GetAPIReader()}).SetupWithManager(operators))
	must(t, (&hostnetwork.Reconciler{Client: operators.GetClient()}).SetupWithManager(operators))
	must(t, (&networkport.Reconciler{Client: operators.GetClient(), Live: operators.GetAPIReader()}).SetupWithManager(operators))
	host, err := netlink.NewHost(e.node, e.directory)
	must(t, err)
	t.Cleanup(func() { must(t, host.Close()) })
	keeper := &agent.Agent{Client: agents.GetClient(), Live: agents.GetAPIReader(), Host: host, Socket: e.socket, Config: fabric.Config{
		NodeName: nodeName, VTEP: netip.MustParseAddr("10.99.0.1"), Port: 4790, Uplink: netip.MustParsePrefix("100.64.0.0/10"),
	}}
	must(t, keeper.SetupWithManager(t.Context(), agents))
	e.start(operators)
	e.start(agents)
	return e
}

func (e *environment) manager(config *rest.Config, scheme *runtime.Scheme) manager.Manager {
	e.t.Helper()
	options := operator.Options{MetricsAddress: "0", HealthAddress: "0"}
	m, err := options.NewManager(config, "test", scheme, cache.Options{})
	must(e.t, err)
	return m
}

// start runs a manager until the test ends.
func (e *environment) start(m manager.Manager) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Start(ctx) }()
	e.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			e.t.Errorf("manager: %v", err)
		}
	})
}

func (e *environment) create(object client.Object) {
	e.t.Helper()
	must(e.t, e.client.Create(e.t.Context(), object))
}

// await waits until an object is as wanted.
func await[T client.Object](e *environment, object T, wanted func(T) bool) T {
	e.t.Helper()
	err := wait.PollUntilContextTimeout(e.t.Context(), 20*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		fresh := reflect.New(reflect.TypeOf(object).Elem()) // what is gone must not stay
		err := e.client.Get(ctx, client.ObjectKeyFromObject(object), fresh.Interface().(T))
		if err != nil {
			return false, client.IgnoreNotFound(err)
		}
		reflect.ValueOf(object).Elem().Set(fresh.Elem())
		return wanted(object), nil
	})
	if err != nil {
		e.t.Fatalf("%T %s: %v\n%+v", object, object.GetName(), err, object)
	}
	return object
}

func (e *environment) awaitGone(object client.Object) {
	e.t.Helper()
	err := wait.PollUntilContextTimeout(e.t.Context(), 20*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		err := e.client.Get(ctx, client.ObjectKeyFromObject(object), object)
		return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
	})
	if err != nil {
		e.t.Fatalf("%T %s is still there: %v\n%+v", object, object.GetName(), err, object)
	}
}

// cni calls the plugin as Multus does.
func (e *environment) cni(command, pod, mac string) ([]byte, error) {
	config, err := json.Marshal(map[string]any{
		"cniVersion": "1.0.0", "name": "demo", "type": "slipway-cni", "socket": e.socket, "runtimeConfig": map[string]string{"mac": mac},
	})
	must(e.t, err)
	plugin := exec.Command(e.plugin)
	plugin.Stdin = bytes.NewReader(config)
	plugin.Env = []string{
		"CNI_COMMAND=" + command, "CNI_CONTAINERID=container-of-" + pod, "CNI_NETNS=" + filepath.Join(e.directory, pod),
		"CNI_IFNAME=fabric0", "CNI_PATH=/nowhere",
		"CNI_ARGS=IgnoreUnknown=true;K8S_POD_NAMESPACE=" + tenantNamespace + ";K8S_POD_NAME=" + pod + ";K8S_POD_INFRA_CONTAINER_ID=x",
	}
	return plugin.Output()
}

func (e *environment) add(pod, mac string) *current.Result {
	e.t.Helper()
	output, err := e.cni("ADD", pod, mac)
	if err != nil {
		e.t.Fatalf("ADD %s: %v\n%s", pod, err, output)
	}
	result := &current.Result{}
	must(e.t, json.Unmarshal(output, result))
	return result
}

func (e *environment) delete(pod string) {
	e.t.Helper()
	for range 2 { // the second has nothing to do
		if output, err := e.cni("DEL", pod, ""); err != nil {
			e.t.Fatalf("DEL %s: %v\n%s", pod, err, output)
		}
	}
}

func (e *environment) port(name, pod, address string) *v1alpha1.NetworkPort {
	return &v1alpha1.NetworkPort{
		ObjectMeta: metav1.ObjectMeta{Namespace: tenantNamespace, Name: name},
		Spec:       v1alpha1.NetworkPortSpec{NetworkName: "demo", PodName: pod, IPAddress: address},
	}
}

func identified(p *v1alpha1.NetworkPort) bool { return p.Status.IPAddress != "" }

func ready(n *v1alpha1.TenantNetwork) bool {
	return len(n.Status.Conditions) == 1 && n.Status.Conditions[0].Status == metav1.ConditionTrue
}

// TestLifeOfANetwork goes from an empty node to an empty node.
func TestLifeOfANetwork(t *testing.T) {
	e := newEnvironment(t)
	await(e, &v1alpha1.HostNetwork{ObjectMeta: metav1.ObjectMeta{Name: nodeName}}, func(h *v1alpha1.HostNetwork) bool {
		return h.Spec.VTEP == "10.99.0.1" && h.Spec.MTU == 1400 && len(h.OwnerReferences) == 1 && meta.IsStatusConditionTrue(h.Status.Conditions, v1alpha1.ConditionProgrammed)
	})
	e.loseNode()
	before := netnstest.Snapshot(t, e.node)
	network := &v1alpha1.TenantNetwork{
		ObjectMeta: metav1.ObjectMeta{Namespace: tenantNamespace, Name: "demo"},
		Spec:       v1alpha1.TenantNetworkSpec{NodeCIDR: "10.200.0.0/24", PodCIDR: "10.244.0.0/16", ServiceCIDR: "10.96.0.0/16"},
	}
	e.create(network)
	await(e, network, ready)
	if network.Status.MTU != 1350 || network.Status.Gateway.IPAddress != "10.200.0.1" {
		t.Errorf("status %+v", network.Status)
	}
	server := e.port("kube-apiserver-0", "kube-apiserver-0", "10.200.0.10")
	e.refuseUnconfined()
	e.plugControlPlane(server)
	machine := e.port("demo-a-x7k2p", "", "")
	e.plugGuest(machine)
	await(e, &v1alpha1.HostNetwork{ObjectMeta: metav1.ObjectMeta{Name: nodeName}}, func(h *v1alpha1.HostNetwork) bool {
		return h.Status.NetworkCount == 1 && h.Status.Networks[0].VNI == *network.Status.VNI && h.Status.Networks[0].Ports == 2
	})

	e.loseKnowledge(network)

	// What is in use is not taken away under it.
	identifier := &v1alpha1.VirtualNetworkID{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint(*network.Status.VNI)}}
	must(t, e.client.Get(t.Context(), client.ObjectKeyFromObject(identifier), identifier))
	e.delete("kube-apiserver-0")
	await(e, server, func(p *v1alpha1.NetworkPort) bool { return p.Status.Attachment == nil && identified(p) })
	must(t, e.client.Delete(t.Context(), network))
	e.awaitGone(network)
	e.awaitGone(server)
	e.awaitGone(machine)
	e.awaitGone(identifier)
	e.awaitGone(&nadv1.NetworkAttachmentDefinition{ObjectMeta: metav1.ObjectMeta{Namespace: tenantNamespace, Name: "demo"}})
	e.delete("virt-launcher")
	if diff := cmp.Diff(before, netnstest.Snapshot(t, e.node)); diff != "" {
		t.Errorf("left behind (-before +after):\n%s", diff)
	}
}

// plugControlPlane plugs in a pod that is on the management network too.
func (e *environment) plugControlPlane(server *v1alpha1.NetworkPort) {
	t := e.t
	t.Helper()
	pod := netnstest.New(t, e.directory, "kube-apiserver-0")
	outside := netnstest.New(t, e.directory, "management")
	netnstest.Connect(t, outside, "eth0", pod, "eth0", netip.MustParsePrefix("172.31.0.5/24"))
	netnstest.Run(t, outside, "ip address add 172.31.0.1/24 dev eth0")
	netnstest.Run(t, outside, "ip address add 172.31.0.2/24 dev eth0")
	netnstest.Serve(t, outside, "172.31.0.1", "etcd")
	netnstest.Serve(t, outside, "172.31.0.2", "kubelet")
	netnstest.Serve(t, pod, "0.0.0.0", "kube-apiserver")
	server.Spec.ManagementEgress = []v1alpha1.EgressRule{{CIDR: "172.31.0.1/32", Protocol: "TCP", Port: 7007}}

	// The pod is there first: the NIC waits for the port.
	result := make(chan error, 1)
	go func() {
		output, err := e.cni("ADD", "kube-apiserver-0", "")
		if err != nil {
			err = fmt.Errorf("%w: %s", err, output)
		}
		result <- err
	}()
	e.create(server)
	must(t, <-result)
	await(e, server, func(p *v1alpha1.NetworkPort) bool {
		return p.Status.Attachment != nil && p.Status.Attachment.NodeName == nodeName && p.Status.IPAddress == "10.200.0.10"
	})
	netnstest.Reaches(t, pod, "172.31.0.1", "etcd heard 172.31.0.5")
	netnstest.Blocked(t, pod, "172.31.0.2")
	netnstest.Reaches(t, outside, "172.31.0.5", "kube-apiserver heard 172.31.0.1")
	server.Spec.ManagementEgress[0].CIDR = "172.31.0.2/32"
	patch := e.port(server.Name, "kube-apiserver-0", "10.200.0.10")
	must(t, e.client.Get(t.Context(), client.ObjectKeyFromObject(patch), patch))
	patch.Spec.ManagementEgress = server.Spec.ManagementEgress
	must(t, e.client.Update(t.Context(), patch))
	netnstest.Reaches(t, pod, "172.31.0.2", "kubelet heard 172.31.0.5")
	netnstest.Blocked(t, pod, "172.31.0.1")
}

// loseNode has the node and its agent out of reach for a while.
func (e *environment) loseNode() {
	e.t.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName}}
	for _, is := range []struct {
		node   corev1.ConditionStatus
		ready  metav1.ConditionStatus
		reason string
	}{
		{corev1.ConditionUnknown, metav1.ConditionUnknown, "NodeNotReady"},
		{corev1.ConditionTrue, metav1.ConditionTrue, "Programmed"},
	} {
		must(e.t, e.client.Get(e.t.Context(), client.ObjectKeyFromObject(node), node))
		node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: is.node}}
		must(e.t, e.client.Status().Update(e.t.Context(), node))
		await(e, &v1alpha1.HostNetwork{ObjectMeta: metav1.ObjectMeta{Name: nodeName}}, func(h *v1alpha1.HostNetwork) bool {
			ready := meta.FindStatusCondition(h.Status.Conditions, v1alpha1.ConditionReady)
			return ready != nil && ready.Status == is.ready && ready.Reason == is.reason &&
				meta.IsStatusConditionTrue(h.Status.Conditions, v1alpha1.ConditionProgrammed)
		})
	}
}

// refuseUnconfined plugs in a pod that cannot be confined on its management
// side: that fails, and the host names what stands in the way.
func (e *environment) refuseUnconfined() {
	t := e.t
	t.Helper()
	refused := e.port("refused", "refused", "")
	e.create(refused)
	await(e, refused, identified)
	release := netnstest.TakeTable(t, netnstest.New(t, e.directory, "refused"), "inet", "slipway")
	const table = "nftables table inet slipway in network namespace refused"
	if output, err := e.cni("ADD", "refused", ""); err == nil || !strings.Contains(string(output), table) {
		t.Errorf("ADD: %v, %s", err, output)
	}
	e.awaitProgrammed(metav1.ConditionFalse, "NetworkPort "+tenantNamespace+"/refused: ", table)
	release()
	e.add("refused", "")
	e.awaitProgrammed(metav1.ConditionTrue)
	e.delete("refused")
	must(t, e.client.Delete(t.Context(), refused))
	netnstest.Remove(t, filepath.Join(e.directory, "refused"))
}

// awaitProgrammed waits until the host says so, with a message that has all parts.
func (e *environment) awaitProgrammed(status metav1.ConditionStatus, parts ...string) *v1alpha1.HostNetwork {
	e.t.Helper()
	return await(e, &v1alpha1.HostNetwork{ObjectMeta: metav1.ObjectMeta{Name: nodeName}}, func(h *v1alpha1.HostNetwork) bool {
		programmed := meta.FindStatusCondition(h.Status.Conditions, v1alpha1.ConditionProgrammed)
		return programmed != nil && programmed.Status == status &&
			!slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(programmed.Message, part) })
	})
}

// loseKnowledge takes away what the agent knows of a network that is in use.
// Its links stay the same ones, and what was lost comes back.
func (e *environment) loseKnowledge(network *v1alpha1.TenantNetwork) {
	t := e.t
	t.Helper()
	links := netnstest.Run(t, e.node, "ip -o link")
	host := e.awaitProgrammed(metav1.ConditionTrue)
	must(t, e.client.Delete(t.Context(), host.DeepCopy()))
	await(e, host.DeepCopy(), func(h *v1alpha1.HostNetwork) bool {
		return h.UID != host.UID && equality.Semantic.DeepEqual(h.Spec, host.Spec) &&
			equality.Semantic.DeepEqual(h.Status.Networks, host.Status.Networks)
	})
	before := network.Status
	network.Status = v1alpha1.TenantNetworkStatus{}
	must(t, e.client.Status().Update(t.Context(), network))
	await(e, network, ready)
	if network.Status.MTU != before.MTU || *network.Status.VNI != *before.VNI || *network.Status.Gateway != *before.Gateway {
		t.Errorf("status %+v, before %+v", network.Status, before)
	}
	if diff := cmp.Diff(links, netnstest.Run(t, e.node, "ip -o link")); diff != "" {
		t.Errorf("links (-before +after):\n%s", diff)
	}
}

// plugGuest does in a pod what KubeVirt's bridge binding does: the guest gets
// the NIC's hardware address, the NIC another one, and a bridge joins them.
func (e *environment) plugGuest(machine *v1alpha1.NetworkPort) {
	t := e.t
	t.Helper()
	e.create(machine)
	await(e, machine, identified)
	if machine.Status.IPAddress != "10.200.0.16" || machine.Status.PrefixLength != 24 || machine.Status.MTU != 1350 {
		t.Errorf("status %+v", machine.Status)
	}
	launcher := netnstest.New(t, e.directory, "virt-launcher")
	result := e.add("virt-launcher", machine.Status.MACAddress)
	if len(result.IPs) != 0 || result.Interfaces[0].Mac != machine.Status.MACAddress {
		t.Errorf("result %+v", result)
	}
	guest := netnstest.New(t, e.directory, "guest")
	netnstest.Connect(t, launcher, "tap0", guest, "eth0", netip.PrefixFrom(netip.MustParseAddr(machine.Status.IPAddress), 24))
	for _, command := range []string{
		"ip link set fabric0 down", "ip link set fabric0 address 02:00:00:00:00:01", "ip link add k6t-fabric0 type bridge",
		"ip link set fabric0 master k6t-fabric0", "ip link set tap0 master k6t-fabric0",
		"ip link set fabric0 up", "ip link set k6t-fabric0 up",
	} {
		netnstest.Run(t, launcher, command)
	}
	netnstest.Run(t, guest, "ip link set eth0 address "+machine.Status.MACAddress)
	netnstest.Reaches(t, guest, "10.200.0.10", "kube-apiserver heard 10.200.0.16")
	// The guest can neither use the API server's pod as a way to the management
	// network, nor its own.
	netnstest.Run(t, guest, "ip route add 172.31.0.0/24 via 10.200.0.10")
	netnstest.Blocked(t, guest, "172.31.0.1")
	if e.directoryHas("slipway-") != 1 {
		t.Error("there is no gateway")
	}
}

func (e *environment) directoryHas(prefix string) int {
	names, err := filepath.Glob(filepath.Join(e.directory, prefix+"*"))
	must(e.t, err)
	return len(names)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
