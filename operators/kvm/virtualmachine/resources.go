package virtualmachine

import (
	corev1 "k8s.io/api/core/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"
)

// resources of the guest's pod. Memory is missing: KubeVirt adds what it needs
// itself to that of the guest.
func resources(in Input) kubevirtv1.ResourceRequirements {
	requests := corev1.ResourceList{}
	if !in.CPURequestPerCore.IsZero() {
		cpu := in.CPURequestPerCore.DeepCopy()
		cpu.Mul(int64(in.Machine.Spec.Machine.Cores))
		requests[corev1.ResourceCPU] = cpu
	}
	return kubevirtv1.ResourceRequirements{Requests: requests}
}
