package agent_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/testenv"
	"slipway.dev/operators/network/netnstest"
)

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
		e.awaitReady(is.ready, is.reason)
	}
}

// awaitReady waits for what the operator says of a host that is programmed.
func (e *environment) awaitReady(status metav1.ConditionStatus, reason string) *metav1.Condition {
	e.t.Helper()
	var ready *metav1.Condition
	await(e, &v1alpha1.HostNetwork{ObjectMeta: metav1.ObjectMeta{Name: nodeName}}, func(h *v1alpha1.HostNetwork) bool {
		ready = meta.FindStatusCondition(h.Status.Conditions, v1alpha1.ConditionReady)
		return ready != nil && ready.Status == status && ready.Reason == reason &&
			meta.IsStatusConditionTrue(h.Status.Conditions, v1alpha1.ConditionProgrammed)
	})
	return ready
}

// runAgentPod does what the DaemonSet does and the kubelet, which has found the
// agent ready.
func (e *environment) runAgentPod(name string) *corev1.Pod {
	e.t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: testenv.ChartNamespace, Name: name, Labels: map[string]string{"app.kubernetes.io/name": "network-agent"},
		},
		Spec: corev1.PodSpec{NodeName: nodeName, Containers: []corev1.Container{{Name: "network-agent", Image: "network-agent"}}},
	}
	e.create(pod)
	e.probeAgent(pod, corev1.ConditionTrue)
	return pod
}

func (e *environment) probeAgent(pod *corev1.Pod, ready corev1.ConditionStatus) {
	e.t.Helper()
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}
	must(e.t, e.client.Status().Update(e.t.Context(), pod))
}

// loseAgent has the agent stuck, then gone. Its network works without it, and
// nobody says otherwise.
func (e *environment) loseAgent(network *v1alpha1.TenantNetwork) {
	t := e.t
	t.Helper()
	must(t, e.agent.Ready(nil))
	must(t, e.client.Get(t.Context(), client.ObjectKeyFromObject(network), network))
	before := network.ResourceVersion
	e.probeAgent(e.agentPod, corev1.ConditionFalse)
	if said := e.awaitReady(metav1.ConditionUnknown, "AgentNotReady"); !strings.Contains(said.Message, "Pod "+testenv.ChartNamespace+"/"+e.agentPod.Name) {
		t.Errorf("message %q does not name the pod", said.Message)
	}
	e.probeAgent(e.agentPod, corev1.ConditionTrue)
	e.awaitReady(metav1.ConditionTrue, "Programmed")
	must(t, e.client.Delete(t.Context(), e.agentPod, client.GracePeriodSeconds(0)))
	e.awaitReady(metav1.ConditionUnknown, "AgentNotReady")
	e.awaitEvents("AgentNotReady", "HostReady")
	e.agentPod = e.runAgentPod("network-agent-2")
	e.awaitReady(metav1.ConditionTrue, "Programmed")
	must(t, e.client.Get(t.Context(), client.ObjectKeyFromObject(network), network))
	if network.ResourceVersion != before || !ready(network) {
		t.Errorf("the network has changed with its agent: %+v", network.Status)
	}
}

// awaitEvents waits until the node's HostNetwork has events with all reasons.
func (e *environment) awaitEvents(reasons ...string) {
	e.t.Helper()
	var missing []string
	err := wait.PollUntilContextTimeout(e.t.Context(), 20*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		var told eventsv1.EventList
		err := e.client.List(ctx, &told)
		missing = slices.DeleteFunc(slices.Clone(reasons), func(reason string) bool {
			return slices.ContainsFunc(told.Items, func(event eventsv1.Event) bool {
				return event.Regarding.Kind == "HostNetwork" && event.Regarding.Name == nodeName && event.Reason == reason
			})
		})
		return len(missing) == 0, err
	})
	if err != nil {
		e.t.Fatalf("no events %q of the HostNetwork: %v", missing, err)
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
	// The operator may write at the same moment, about the HostNetwork.
	must(t, retry.RetryOnConflict(retry.DefaultRetry, func() error {
		if err := e.client.Get(t.Context(), client.ObjectKeyFromObject(network), network); err != nil {
			return err
		}
		network.Status = v1alpha1.TenantNetworkStatus{}
		return e.client.Status().Update(t.Context(), network)
	}))
	await(e, network, ready)
	if network.Status.MTU != before.MTU || *network.Status.VNI != *before.VNI || *network.Status.Gateway != *before.Gateway {
		t.Errorf("status %+v, before %+v", network.Status, before)
	}
	if diff := cmp.Diff(links, netnstest.Run(t, e.node, "ip -o link")); diff != "" {
		t.Errorf("links (-before +after):\n%s", diff)
	}
}

// beHosted makes the namespace a hosted one, after its network was refused.
func (e *environment) beHosted(network *v1alpha1.TenantNetwork) {
	e.t.Helper()
	await(e, network, func(n *v1alpha1.TenantNetwork) bool {
		refused := meta.FindStatusCondition(n.Status.Conditions, v1alpha1.ConditionReady)
		return refused != nil && refused.Reason == "NotHosted" && n.Status.VNI == nil
	})
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: tenantNamespace}}
	must(e.t, e.client.Get(e.t.Context(), client.ObjectKeyFromObject(namespace), namespace))
	namespace.Annotations = map[string]string{v1alpha1.AnnotationTenantUID: "uid"}
	must(e.t, e.client.Update(e.t.Context(), namespace))
}
