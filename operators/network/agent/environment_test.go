package agent_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/netip"
	"os/exec"
	"path/filepath"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	current "github.com/containernetworking/cni/pkg/types/100"
	nadv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
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
	nodeName = "node-1"
	chart    = "../../../charts/network-operator"
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
	// agent reads from cached.
	agent  *agent.Agent
	cached client.Client
	// agentPod is the pod that the operator takes for the agent's.
	agentPod *corev1.Pod
	// writes counts those of the operator and of the agent.
	writes []*atomic.Int64
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
	scheme := testenv.Scheme(t, corev1.AddToScheme, eventsv1.AddToScheme, v1alpha1.AddToScheme, nadv1.AddToScheme)
	e.client = testenv.Client(t, config, scheme)
	e.create(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName}})
	e.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name:   tenantNamespace,
		Labels: map[string]string{v1alpha1.LabelTenant: tenantNamespace, v1alpha1.LabelTenantNamespace: "default", v1alpha1.LabelTenantName: "demo"},
	}})

	// Both are made before one runs.
	operators := e.manager(testenv.Account(t, config, chart, "network-operator"), scheme, hostnetwork.CacheOptions(testenv.ChartNamespace))
	agents := e.manager(testenv.Account(t, config, chart, "network-agent"), scheme, cache.Options{})
	c, live, events := operators.GetClient(), operators.GetAPIReader(), operators.GetEventRecorder("network-operator")
	must(t, (&tenantnetwork.Reconciler{
		Client: c, Live: live, Writer: apply.NewWriter(c, tenantnetwork.Owner), Events: tenantnetwork.Events{EventRecorder: events},
	}).SetupWithManager(operators))
	must(t, (&hostnetwork.Reconciler{
		Client: c, Writer: apply.NewWriter(c, hostnetwork.Owner), Events: hostnetwork.Events{EventRecorder: events},
		AgentNamespace: testenv.ChartNamespace,
	}).SetupWithManager(t.Context(), operators))
	must(t, (&networkport.Reconciler{
		Client: c, Live: live, Writer: apply.NewWriter(c, networkport.Owner), Events: networkport.Events{EventRecorder: events},
	}).SetupWithManager(operators))
	host, err := netlink.NewHost(e.node, e.directory)
	must(t, err)
	t.Cleanup(func() { must(t, host.Close()) })
	e.cached = agents.GetClient()
	e.agent = &agent.Agent{
		Client: e.cached, Live: agents.GetAPIReader(), Writer: apply.NewWriter(e.cached, agent.Owner), Host: host, Socket: e.socket,
		Config: fabric.Config{
			NodeName: nodeName, VTEP: netip.MustParseAddr("10.99.0.1"), Port: 4790, Uplink: netip.MustParsePrefix("100.64.0.0/10"),
		},
	}
	must(t, e.agent.SetupWithManager(t.Context(), agents))
	testenv.Run(t, operators)
	testenv.Run(t, agents)
	e.agentPod = e.runAgentPod("network-agent-1")
	return e
}

func (e *environment) manager(config *rest.Config, scheme *runtime.Scheme, options cache.Options) manager.Manager {
	e.t.Helper()
	e.writes = append(e.writes, testenv.CountWrites(config))
	return testenv.Manager(e.t, config, scheme, options, nil)
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

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
