package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
)

// TestWorker leads one worker after another through life and death.
func TestWorker(t *testing.T) {
	w := newWorld(t)
	w.create(t, w.management, w.nodePool("a", 1))
	machine := w.onlyMachine(t)

	t.Log("the NIC comes first, and status says what is waited for")
	w.reports(t, machine, v1alpha1.ConditionNetworkReady, metav1.ConditionFalse, "WaitingForNetworkPort")
	w.allocatePort(t, machine, "10.200.0.16", "02:00:00:c8:00:10")
	w.reports(t, machine, v1alpha1.ConditionBootstrapReady, metav1.ConditionFalse, "WaitingForSecret")
	w.secret(t, "registry-ca", map[string][]byte{"ca.crt": []byte("registry CA")})
	w.secret(t, "registry-login", map[string][]byte{"username": []byte("guest"), "password": []byte("secret")})
	w.secret(t, "ca", map[string][]byte{"ca.crt": []byte("tenant CA")})

	t.Log("the guest boots before the tenant has an API")
	vm := reads(t, w.management, w.namespace, machine, &kubevirtv1.VirtualMachine{}, nil)
	if mac := vm.Spec.Template.Spec.Domain.Devices.Interfaces[0].MacAddress; mac != "02:00:00:c8:00:10" {
		t.Errorf("MAC address %s", mac)
	}
	bootstrapSecret := reads(t, w.management, w.namespace, machine+"-bootstrap", &corev1.Secret{}, nil)
	w.reports(t, machine, v1alpha1.ConditionBootstrapReady, metav1.ConditionFalse, "WaitingForTenantAPI")
	w.startGuest(t, machine)
	w.reports(t, machine, v1alpha1.ConditionGuestRunning, metav1.ConditionTrue, "Running")

	t.Log("the tenant's API answers: it gets the token of this machine, and its Node joins")
	w.connectTenant(t)
	tokenName := "bootstrap-token-" + string(bootstrapSecret.Data["token-id"])
	token := reads(t, w.tenant, metav1.NamespaceSystem, tokenName, &corev1.Secret{}, nil)
	want := map[string]string{
		"auth-extra-groups": "system:bootstrappers:slipway", "usage-bootstrap-authentication": "true",
		"token-secret": string(bootstrapSecret.Data["token-secret"]),
	}
	for key, value := range want {
		if string(token.Data[key]) != value {
			t.Errorf("token's %s is wrong", key)
		}
	}
	w.reports(t, machine, v1alpha1.ConditionNodeReady, metav1.ConditionFalse, "NotRegistered")
	t.Run("client certificate", func(t *testing.T) { w.testClientCertificate(t, machine, string(bootstrapSecret.Data["token-id"])) })
	t.Run("guest hangs", func(t *testing.T) { w.testGuestHangs(t, machine) })
	w.registerNode(t, machine, "10.244.3.0/24")
	w.reports(t, machine, v1alpha1.ConditionReady, metav1.ConditionTrue, "Ready")
	gone(t, w.tenant, metav1.NamespaceSystem, tokenName, &corev1.Secret{})
	reads(t, w.management, w.namespace, machine, &v1alpha1.NetworkPort{}, func(port *v1alpha1.NetworkPort) error {
		if diff := cmp.Diff([]v1alpha1.CIDR{"10.244.3.0/24"}, port.Spec.Routes); diff != "" {
			return errors.New(diff)
		}
		return nil
	})
	reads(t, w.management, w.namespace, "a", &v1alpha1.NodePool{}, func(pool *v1alpha1.NodePool) error {
		if pool.Status.ReadyReplicas != 1 || pool.Status.Selector != "slipway.dev/pool=a" {
			return fmt.Errorf("status %+v", pool.Status)
		}
		return hasCondition(pool.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, "Ready")
	})
	t.Run("serving certificate", func(t *testing.T) { w.testServingCertificate(t, machine, "10.200.0.16") })
	t.Run("Node flaps", func(t *testing.T) { w.testNodeFlaps(t, machine) })
	t.Run("drain", func(t *testing.T) { w.testDrain(t, machine) })
	t.Run("drain times out", w.testDrainTimesOut)
	t.Run("namespace becomes hosted", w.testBecomesHosted)
	t.Run("namespace goes", w.testNamespaceGoes)
	t.Run("tenant goes", w.testTenantGoes)
}

// testGuestHangs leaves a guest that does not join alone as long as it may take, and starts it anew after that.
func (w *world) testGuestHangs(t *testing.T, machine string) {
	hanging := reads(t, w.management, w.namespace, machine, &kubevirtv1.VirtualMachineInstance{}, nil)
	w.clock.ahead.Add(int64(9 * time.Minute))
	for range 2 { // that it was looked at shows in what is repaired; the second time, the first one is over
		port := reads(t, w.management, w.namespace, machine, &v1alpha1.NetworkPort{}, nil)
		w.edit(t, port, func() { port.Spec.IPAddress = "" })
		reads(t, w.management, w.namespace, machine, &v1alpha1.NetworkPort{}, func(port *v1alpha1.NetworkPort) error {
			if port.Spec.IPAddress == "" {
				return errors.New("not repaired")
			}
			return nil
		})
	}
	early := reads(t, w.management, w.namespace, machine, &kubevirtv1.VirtualMachineInstance{}, nil)
	if early.UID != hanging.UID || early.DeletionTimestamp != nil {
		t.Error("a guest that still has time was started anew")
	}
	w.clock.ahead.Add(int64(2 * time.Minute))
	w.wake(t, machine)
	w.sees(t, "GuestDidNotJoin")
	w.clock.ahead.Store(0)
	gone(t, w.management, w.namespace, machine, &kubevirtv1.VirtualMachineInstance{})
	w.reports(t, machine, v1alpha1.ConditionGuestRunning, metav1.ConditionFalse, "Starting")
	w.startGuest(t, machine)
	w.reports(t, machine, v1alpha1.ConditionGuestRunning, metav1.ConditionTrue, "Running")
	next := reads(t, w.management, w.namespace, machine, &kubevirtv1.VirtualMachineInstance{}, nil)
	if next.UID == hanging.UID {
		t.Error("it is the same guest")
	}
}

// wake makes an event of a Machine.
func (w *world) wake(t *testing.T, machine string) {
	t.Helper()
	m := reads(t, w.management, w.namespace, machine, &v1alpha1.Machine{}, nil)
	w.edit(t, m, func() { m.Annotations["test"] = "woken" })
}

func (w *world) edit(t *testing.T, object client.Object, change func()) {
	t.Helper()
	before := object.DeepCopyObject().(client.Object)
	change()
	if err := w.management.Patch(t.Context(), object, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
}

// testDrain removes the machine while a slow webhook and then a disruption budget
// are in the way, and then allows it.
func (w *world) testDrain(t *testing.T, machine string) {
	pod := w.protectedPod(t, "web-1", machine)
	slow := w.webhook(t, "slow.example.com", schema.GroupResource{Resource: "pods/eviction"}, neverAnswers)
	w.scale(t, "a", 0)
	w.reports(t, machine, v1alpha1.ConditionReady, metav1.ConditionFalse, "Draining")
	w.saysOfDrain(t, machine, "webhook slow.example.com of the tenant timed out on the eviction of Pod default/web-1")
	slow()
	w.saysOfDrain(t, machine, "default/web-1", "budget")
	reads(t, w.tenant, "", machine, &corev1.Node{}, func(node *corev1.Node) error {
		if !node.Spec.Unschedulable {
			return errors.New("not cordoned")
		}
		return nil
	})
	vm := reads(t, w.management, w.namespace, machine, &kubevirtv1.VirtualMachine{}, nil)
	if vm.DeletionTimestamp != nil {
		t.Error("the guest goes before its pods")
	}
	w.remove(t, w.tenant, &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}})
	w.letGo(t, pod)
	gone(t, w.management, w.namespace, machine, &kubevirtv1.VirtualMachine{})
	reads(t, w.tenant, "", machine, &corev1.Node{}, nil) // stays until the guest is gone
	w.stopGuest(t, machine)
	w.nothingLeft(t, machine)
}

// testDrainTimesOut is a drain that a budget never allows: it is given up and reported.
func (w *world) testDrainTimesOut(t *testing.T) {
	w.scale(t, "a", 1)
	machine := w.onlyMachine(t)
	w.bringUp(t, machine, "10.200.0.17")
	w.protectedPod(t, "web-2", machine)
	w.scale(t, "a", 0)
	w.reports(t, machine, v1alpha1.ConditionDrained, metav1.ConditionFalse, "Draining")
	w.clock.ahead.Add(int64(2 * time.Minute))
	t.Cleanup(func() { w.clock.ahead.Store(0) })
	w.reports(t, machine, v1alpha1.ConditionDrained, metav1.ConditionFalse, "TimedOut")
	w.sees(t, "DrainTimedOut")
	w.stopGuest(t, machine)
	w.nothingLeft(t, machine)
}

// testTenantGoes deletes a whole tenant: nothing is drained, whatever runs there.
func (w *world) testTenantGoes(t *testing.T) {
	w.scale(t, "a", 1)
	machine := w.onlyMachine(t)
	w.bringUp(t, machine, "10.200.0.18")
	w.remove(t, w.management, &v1alpha1.TenantCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "demo"}})
	w.remove(t, w.management, &v1alpha1.NodePool{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "a"}})
	w.reports(t, machine, v1alpha1.ConditionDrained, metav1.ConditionTrue, "NotNeeded")
	reads(t, w.management, w.namespace, "a", &v1alpha1.NodePool{}, nil) // stays until its Machines are gone
	w.stopGuest(t, machine)
	gone(t, w.management, w.namespace, machine, &v1alpha1.Machine{})
	gone(t, w.management, w.namespace, "a", &v1alpha1.NodePool{})
}

// bringUp leads a Machine to Ready.
func (w *world) bringUp(t *testing.T, machine, address string) {
	t.Helper()
	w.allocatePort(t, machine, address, "02:00:00:c8:00:11")
	w.startGuest(t, machine)
	w.registerNode(t, machine, "10.244.4.0/24")
	w.reports(t, machine, v1alpha1.ConditionReady, metav1.ConditionTrue, "Ready")
}

func (w *world) onlyMachine(t *testing.T) (name string) {
	t.Helper()
	eventually(t, "one Machine", func(ctx context.Context) error {
		var machines v1alpha1.MachineList
		if err := w.management.List(ctx, &machines, client.InNamespace(w.namespace)); err != nil {
			return err
		}
		if len(machines.Items) != 1 {
			return fmt.Errorf("%d Machines", len(machines.Items))
		}
		name = machines.Items[0].Name
		return nil
	})
	return name
}

func (w *world) reports(t *testing.T, machine, conditionType string, status metav1.ConditionStatus, reason string) {
	t.Helper()
	reads(t, w.management, w.namespace, machine, &v1alpha1.Machine{}, func(m *v1alpha1.Machine) error {
		return hasCondition(m.Status.Conditions, conditionType, status, reason)
	})
}

func (w *world) sees(t *testing.T, reason string) {
	t.Helper()
	w.hears(t, reason, "")
}

// hears waits for an event with a text in it.
func (w *world) hears(t *testing.T, reason, text string) {
	t.Helper()
	eventually(t, "event "+reason, func(ctx context.Context) error {
		var events eventsv1.EventList
		if err := w.management.List(ctx, &events, client.InNamespace(w.namespace)); err != nil {
			return err
		}
		for _, event := range events.Items {
			if event.Reason == reason && strings.Contains(event.Note, text) {
				return nil
			}
		}
		return fmt.Errorf("not among %d events", len(events.Items))
	})
}

// allocatePort does network-operator's part.
func (w *world) allocatePort(t *testing.T, machine, address, mac string) {
	t.Helper()
	port := reads(t, w.management, w.namespace, machine, &v1alpha1.NetworkPort{}, nil)
	before := port.DeepCopy()
	port.Status = v1alpha1.NetworkPortStatus{MACAddress: mac, IPAddress: address, PrefixLength: 24, Gateway: "10.200.0.1", MTU: 1450}
	if err := w.management.Status().Patch(t.Context(), port, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
}

// startGuest does KubeVirt's part.
func (w *world) startGuest(t *testing.T, machine string) {
	t.Helper()
	vm := reads(t, w.management, w.namespace, machine, &kubevirtv1.VirtualMachine{}, nil)
	w.create(t, w.management, &kubevirtv1.VirtualMachineInstance{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: vm.Namespace, Name: vm.Name, Labels: vm.Spec.Template.ObjectMeta.Labels,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(vm, kubevirtv1.VirtualMachineGroupVersionKind)},
		},
		Spec:   vm.Spec.Template.Spec,
		Status: kubevirtv1.VirtualMachineInstanceStatus{Phase: kubevirtv1.Running, NodeName: "node-1"},
	})
}

func (w *world) stopGuest(t *testing.T, machine string) {
	t.Helper()
	gone(t, w.management, w.namespace, machine, &kubevirtv1.VirtualMachine{})
	w.remove(t, w.management, &kubevirtv1.VirtualMachineInstance{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: machine}})
}

// registerNode does the kubelet's and the tenant's controller manager's part.
func (w *world) registerNode(t *testing.T, machine, podCIDR string) {
	t.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: machine}, Spec: corev1.NodeSpec{PodCIDR: podCIDR, PodCIDRs: []string{podCIDR}}}
	w.create(t, w.tenant, node)
	node.Status.Conditions = []corev1.NodeCondition{{
		Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady",
		LastHeartbeatTime: metav1.NewTime(time.Now().Add(time.Second)),
	}}
	if err := w.tenant.Status().Update(t.Context(), node); err != nil {
		t.Fatal(err)
	}
}

// protectedPod runs on the machine's Node under a budget that allows no disruption.
func (w *world) protectedPod(t *testing.T, name, machine string) *corev1.Pod {
	t.Helper()
	labels := map[string]string{"app": "web"}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, Labels: labels},
		Spec: corev1.PodSpec{
			NodeName: machine, AutomountServiceAccountToken: new(false),
			Containers: []corev1.Container{{Name: "c", Image: "registry.test/pause"}},
		},
	}
	w.create(t, w.tenant, pod)
	pod.Status.Phase = corev1.PodRunning
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	if err := w.tenant.Status().Update(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	budget := &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"},
		Spec: policyv1.PodDisruptionBudgetSpec{
			MinAvailable: new(intstr.FromInt32(1)), Selector: &metav1.LabelSelector{MatchLabels: labels},
		},
	}
	w.create(t, w.tenant, budget)
	// The disruption controller's part: it has counted, and nothing is to spare.
	budget.Status = policyv1.PodDisruptionBudgetStatus{ObservedGeneration: budget.Generation, DesiredHealthy: 1, CurrentHealthy: 1, ExpectedPods: 1}
	if err := w.tenant.Status().Update(t.Context(), budget); err != nil {
		t.Fatal(err)
	}
	return pod
}

// letGo ends a pod that has been evicted, as its kubelet would.
func (w *world) letGo(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	reads(t, w.tenant, pod.Namespace, pod.Name, pod, func(p *corev1.Pod) error {
		if p.DeletionTimestamp == nil {
			return errors.New("not evicted")
		}
		return nil
	})
	if err := w.tenant.Delete(t.Context(), pod, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
}

func (w *world) scale(t *testing.T, pool string, replicas int32) {
	t.Helper()
	current := reads(t, w.management, w.namespace, pool, &v1alpha1.NodePool{}, nil)
	before := current.DeepCopy()
	current.Spec.Replicas = &replicas
	if err := w.management.Patch(t.Context(), current, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
}

func (w *world) remove(t *testing.T, c client.Client, object client.Object) {
	t.Helper()
	if err := c.Delete(t.Context(), object); err != nil {
		t.Fatalf("delete %T %s: %v", object, object.GetName(), err)
	}
}

func (w *world) nothingLeft(t *testing.T, machine string) {
	t.Helper()
	gone(t, w.management, w.namespace, machine, &v1alpha1.Machine{})
	gone(t, w.management, w.namespace, machine, &v1alpha1.NetworkPort{})
	gone(t, w.management, w.namespace, machine+"-bootstrap", &corev1.Secret{})
	gone(t, w.tenant, "", machine, &corev1.Node{})
}
