package e2e

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
)

// What dies of a worker comes back as the same worker, with logs and exec; a guest that is well is left alone.
func TestRepair(t *testing.T) {
	te := alpha.get(t)
	te.deployServer(t, "default", "server", 1)
	machine := te.onlyMachine(t)

	t.Run("its Node is deleted in the tenant", func(t *testing.T) {
		guest := guestOf(t, machine)
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: machine.Name}}
		if err := te.client.Get(t.Context(), client.ObjectKeyFromObject(node), node); err != nil {
			t.Fatal(err)
		}
		if err := te.client.Delete(t.Context(), node); err != nil {
			t.Fatal(err)
		}
		back := te.awaitNodeOf(t, machine, func(n *corev1.Node) bool { return n.UID != node.UID })
		if back.Spec.PodCIDR != node.Spec.PodCIDR {
			t.Errorf("pods had addresses of %s and have of %s", node.Spec.PodCIDR, back.Spec.PodCIDR)
		}
		te.provePodWorks(t)
		if now := guestOf(t, machine); now.UID != guest.UID {
			t.Error("the guest was started anew")
		}
	})
	t.Run("its guest dies", func(t *testing.T) {
		guest := guestOf(t, machine)
		if err := env.management.Delete(t.Context(), guest, client.GracePeriodSeconds(0)); err != nil {
			t.Fatal(err)
		}
		var next *corev1.Pod
		awaitObjects(t, env.management, &corev1.Pod{}, "another guest of the Machine", func(guests []*corev1.Pod) bool {
			for _, pod := range guests {
				if pod.UID != guest.UID && pod.Status.Phase == corev1.PodRunning {
					next = pod
				}
			}
			return next != nil
		}, guestsOf(machine)...)
		te.awaitNodeOf(t, machine, func(n *corev1.Node) bool {
			return nodeReady(n).LastHeartbeatTime.After(next.CreationTimestamp.Time)
		})
		te.provePodWorks(t)
		if now := te.onlyMachine(t); now.UID != machine.UID {
			t.Errorf("Machine %s has taken its place", now.Name)
		}
	})
}

// onlyMachine of a tenant with one worker.
func (te *tenant) onlyMachine(t *testing.T) *v1alpha1.Machine {
	t.Helper()
	machines := &v1alpha1.MachineList{}
	if err := env.management.List(t.Context(), machines, client.InNamespace(te.Status.HostedNamespace)); err != nil || len(machines.Items) != 1 {
		t.Fatalf("%d Machines, want one; %v", len(machines.Items), err)
	}
	return &machines.Items[0]
}

// guestsOf are the pods in which guests of the Machine run.
func guestsOf(machine *v1alpha1.Machine) []client.ListOption {
	return []client.ListOption{client.InNamespace(machine.Namespace), client.MatchingLabels{"vm.kubevirt.io/name": machine.Name}}
}

func guestOf(t *testing.T, machine *v1alpha1.Machine) *corev1.Pod {
	t.Helper()
	guests := &corev1.PodList{}
	if err := env.management.List(t.Context(), guests, guestsOf(machine)...); err != nil || len(guests.Items) != 1 {
		t.Fatalf("%d guests of Machine %s, want one; %v", len(guests.Items), machine.Name, err)
	}
	return &guests.Items[0]
}

func nodeReady(node *corev1.Node) corev1.NodeCondition {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition
		}
	}
	return corev1.NodeCondition{}
}

// awaitNodeOf waits until the Machine's Node is Ready and as it should be.
func (te *tenant) awaitNodeOf(t *testing.T, machine *v1alpha1.Machine, done func(*corev1.Node) bool) *corev1.Node {
	t.Helper()
	return awaitObject(t, te.client, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: machine.Name}}, "Node "+machine.Name+" is back",
		func(node *corev1.Node) bool { return nodeReady(node).Status == corev1.ConditionTrue && done(node) })
}

// provePodWorks: a pod of the Deployment server runs, and its kubelet gives its log and lets a command into it.
func (te *tenant) provePodWorks(t *testing.T) {
	t.Helper()
	poll(t, "a pod with logs and exec", func() error {
		pod := te.serverPod(t, "default", "server")
		if _, err := te.kubectl(t, "logs", pod.Name); err != nil {
			return err
		}
		_, err := te.kubectl(t, "exec", pod.Name, "--", "/agnhost", "--version")
		return err
	})
}
