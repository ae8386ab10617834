package e2e

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
)

// Deleting a TenantCluster leaves nothing.
func TestDelete(t *testing.T) {
	te := submit(t, specification("team-delete", "whole"))
	te.awaitReady(t)
	testNames(t, te)
	te.deleteAndProve(t)
}

// A tenant whose API server is dead goes as well.
func TestDeleteWithDeadAPI(t *testing.T) {
	te := submit(t, specification("team-delete", "dead"))
	te.awaitReady(t)
	hosted := te.Status.HostedNamespace
	// An image that does not exist keeps the API server down for good, as
	// nothing writes this field back while the operator itself is stopped.
	stopOperator(t, "cluster-operator")
	pod := &corev1.Pod{}
	pod.Namespace, pod.Name = hosted, "kube-apiserver-0"
	patch := client.RawPatch("application/strategic-merge-patch+json", []byte(
		`{"spec":{"template":{"spec":{"containers":[{"name":"kube-apiserver","image":"registry.invalid/absent:v0"}]}}}}`))
	if err := env.management.Patch(t.Context(), statefulSet(hosted, "kube-apiserver"), patch); err != nil {
		t.Fatal(err)
	}
	awaitObject(t, env.management, pod, "API server is dead", func(p *corev1.Pod) bool {
		return len(p.Status.ContainerStatuses) > 0 && p.Status.ContainerStatuses[0].State.Waiting != nil && !p.Status.ContainerStatuses[0].Ready
	})
	if err := env.management.Delete(t.Context(), te.TenantCluster); err != nil {
		t.Fatal(err)
	}
	startOperator(t, "cluster-operator")
	te.deleteAndProve(t)
}

// A tenant that is deleted while it comes up goes as well.
func TestDeleteHalfCreated(t *testing.T) {
	te := submit(t, specification("team-delete", "half"))
	te.TenantCluster = te.await(t, "network of a half created tenant", func(tc *v1alpha1.TenantCluster) bool {
		return isTrue(tc.Status.Conditions, v1alpha1.ConditionNetworkReady, tc.Generation)
	})
	te.deleteAndProve(t)
}

// deleteAndProve deletes the tenant, if that has not been done, and looks for anything that it left.
func (te *tenant) deleteAndProve(t *testing.T) {
	t.Helper()
	hosted := v1alpha1.HostedNamespace(te.Namespace, te.Name)
	network := &v1alpha1.TenantNetwork{}
	if err := env.management.Get(t.Context(), client.ObjectKey{Namespace: hosted, Name: te.Name}, network); client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	if err := client.IgnoreNotFound(env.management.Delete(t.Context(), te.TenantCluster)); err != nil {
		t.Fatal(err)
	}
	named := func(name string) client.ListOption {
		return client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("metadata.name", name)}
	}
	awaitNone(t, env.management, &v1alpha1.TenantCluster{}, "TenantCluster gone", client.InNamespace(te.Namespace), named(te.Name))
	// From here on nothing may be left, so nothing is waited for but the kernel and DNS, which no API shows.
	te.proveNoObjects(t, hosted, network)
	awaitNoNames(t, te)
	if network.Status.VNI != nil {
		proveNoLinks(t, *network.Status.VNI)
	}
}

func (te *tenant) proveNoObjects(t *testing.T, hosted string, network *v1alpha1.TenantNetwork) {
	t.Helper()
	namespaces := &corev1.NamespaceList{}
	if err := env.management.List(t.Context(), namespaces, client.MatchingLabels{v1alpha1.LabelTenant: hosted}); err != nil {
		t.Fatal(err)
	}
	for _, namespace := range namespaces.Items {
		t.Errorf("namespace %s is left", namespace.Name)
	}
	ids := &v1alpha1.VirtualNetworkIDList{}
	if err := env.management.List(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids.Items {
		if id.Spec.NetworkRef.Namespace == hosted {
			t.Errorf("VirtualNetworkID %s is left", id.Name)
		}
	}
	volumes := &corev1.PersistentVolumeList{}
	if err := env.management.List(t.Context(), volumes); err != nil {
		t.Fatal(err)
	}
	for _, volume := range volumes.Items {
		if volume.Spec.ClaimRef != nil && volume.Spec.ClaimRef.Namespace == hosted && volume.DeletionTimestamp == nil && volume.Status.Phase == corev1.VolumeBound {
			t.Errorf("PersistentVolume %s is still bound", volume.Name)
		}
	}
	secrets := &corev1.SecretList{}
	if err := env.management.List(t.Context(), secrets, client.InNamespace(te.Namespace)); err != nil {
		t.Fatal(err)
	}
	for _, secret := range secrets.Items {
		if secret.Name == te.Name+"-kubeconfig" {
			t.Errorf("Secret %s is left", secret.Name)
		}
	}
}

// proveNoLinks looks into the kernel of the management node for what carries the VNI in its name.
func proveNoLinks(t *testing.T, vni int32) {
	t.Helper()
	if len(env.nodeCommand) == 0 {
		t.Log("E2E_NODE_COMMAND is not set: links and network namespaces are not looked at")
		return
	}
	mark := vniMark(vni)
	for _, program := range [][]string{{"ip", "-o", "link"}, {"ls", "/run/netns"}, {"nft", "list", "table", "ip", "slipway"}} {
		arguments := slices.Concat(env.nodeCommand[1:], program)
		output, err := exec.CommandContext(t.Context(), env.nodeCommand[0], arguments...).CombinedOutput()
		// The table goes with the last network.
		noTable := program[0] == "nft" && strings.Contains(string(output), "No such file or directory")
		if err != nil && !noTable {
			t.Fatalf("%v: %v\n%s", arguments, err, output)
		}
		if strings.Contains(string(output), mark) {
			t.Errorf("%s still knows network %s:\n%s", strings.Join(arguments, " "), mark, output)
		}
	}
}
