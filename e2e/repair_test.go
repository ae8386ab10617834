package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
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
	t.Run("its password of a registry is mended", func(t *testing.T) { testMendedPassword(t, te, machine) })
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

// testMendedPassword: what a team changes in its Secret reaches a worker that is there.
func testMendedPassword(t *testing.T, te *tenant, machine *v1alpha1.Machine) {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: te.Namespace, Name: "registry-credentials"}}
	set := func(password string) {
		patch := fmt.Appendf(nil, `{"stringData": {"password": %q}}`, password)
		if err := env.management.Patch(context.Background(), secret, client.RawPatch(types.MergePatchType, patch)); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { set(env.registry.password) })
	pull := func(name string, done func(corev1.ContainerStatus) bool) {
		t.Helper()
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
			Spec: corev1.PodSpec{
				TerminationGracePeriodSeconds: new(int64(0)),
				Containers:                    []corev1.Container{{Name: "c", Image: image(agnhostImage), ImagePullPolicy: corev1.PullAlways, Command: []string{"/agnhost", "pause"}}},
			},
		}
		if err := te.client.Create(t.Context(), pod); err != nil {
			t.Fatal(err)
		}
		awaitObject(t, te.client, pod, "Pod "+name, func(p *corev1.Pod) bool {
			return len(p.Status.ContainerStatuses) == 1 && done(p.Status.ContainerStatuses[0])
		})
		if err := te.client.Delete(t.Context(), pod); err != nil {
			t.Fatal(err)
		}
	}
	// change has a worker that is there take another password, and waits until it says so.
	change := func(password string) {
		t.Helper()
		changes := func() (int, error) {
			log, err := te.kubectl(t, "get", "--raw", "/api/v1/nodes/"+machine.Name+"/proxy/logs/?query=init")
			return strings.Count(log, env.registry.host+"/hosts.toml has changed"), err
		}
		before, err := changes()
		if err != nil {
			t.Fatal(err)
		}
		set(password)
		poll(t, "the worker has the other password", func() error {
			now, err := changes()
			if err == nil && now == before {
				err = errors.New("its init has not said so")
			}
			return err
		})
	}
	change("wrong")
	pull("refused", func(c corev1.ContainerStatus) bool {
		return c.State.Waiting != nil && strings.Contains(c.State.Waiting.Reason, "ImagePull")
	})
	change(env.registry.password)
	pull("pulled", func(c corev1.ContainerStatus) bool { return c.State.Running != nil })
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
