package bootstrap

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
)

// Node is what the kubelet of a Machine registers, with the range of pods'
// addresses that its guest has configured.
func Node(machine *v1alpha1.Machine) *corev1.Node {
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name:        machine.Name,
			Labels:      labels(machine.Labels[v1alpha1.LabelPool], machine.Spec),
			Annotations: map[string]string{"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
		},
		Spec: corev1.NodeSpec{
			ProviderID: providerID(machine.Namespace, machine.Name),
			PodCIDR:    machine.Status.PodCIDR, PodCIDRs: []string{machine.Status.PodCIDR},
		},
	}
	// The guest's image is made for these alone.
	node.Labels[corev1.LabelHostname] = machine.Name
	node.Labels[corev1.LabelOSStable], node.Labels["beta.kubernetes.io/os"] = "linux", "linux"
	node.Labels[corev1.LabelArchStable], node.Labels["beta.kubernetes.io/arch"] = "amd64", "amd64"
	for _, taint := range machine.Spec.Taints {
		node.Spec.Taints = append(node.Spec.Taints, corev1.Taint{Key: taint.Key, Value: string(taint.Value), Effect: taint.Effect})
	}
	return node
}

// labels are those that a pool's Nodes have beside Kubernetes' own.
func labels(pool string, spec v1alpha1.MachineSpec) map[string]string {
	labels := map[string]string{v1alpha1.LabelPool: pool}
	for key, value := range spec.Labels {
		labels[key] = string(value)
	}
	return labels
}

func providerID(namespace, name string) string { return "slipway://" + namespace + "/" + name }
