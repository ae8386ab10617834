package virtualmachine

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	kubevirtv1 "kubevirt.io/api/core/v1"
)

// resources of the guest's pod. Memory is missing: KubeVirt adds what it needs
// itself to that of the guest.
func resources(in Input) kubevirtv1.ResourceRequirements {
	disk := stateDiskUsage(in.Machine.Spec.Machine.Disk)
	requests := corev1.ResourceList{corev1.ResourceEphemeralStorage: disk}
	if !in.CPURequestPerCore.IsZero() {
		cpu := in.CPURequestPerCore.DeepCopy()
		cpu.Mul(int64(in.Machine.Spec.Machine.Cores))
		requests[corev1.ResourceCPU] = cpu
	}
	return kubevirtv1.ResourceRequirements{
		Requests: requests,
		// The same as the request: a management node whose guests all fill their disks still has room for its etcd.
		Limits: corev1.ResourceList{corev1.ResourceEphemeralStorage: disk},
	}
}

const (
	// qcow2 spends eight bytes of tables and two of reference counts on a cluster of 64 KiB, which is a sixth of this.
	// Source: https://gitlab.com/qemu-project/qemu/-/blob/master/docs/interop/qcow2.rst
	qcow2ClusterShare = 1024
	// podFiles is room for what else the pod writes, its logs above all: a guest that has filled its disk, as it may, is
	// not evicted.
	podFiles = 256 << 20
)

// stateDiskUsage is the most that a guest's pod writes to its management node.
// KubeVirt keeps an emptyDisk as a sparse qcow2 file in an emptyDir of the pod,
// for which it asks for no storage by itself.
func stateDiskUsage(capacity resource.Quantity) resource.Quantity {
	usage := capacity.DeepCopy()
	usage.Add(*resource.NewQuantity(capacity.Value()/qcow2ClusterShare+podFiles, resource.BinarySI))
	return usage
}
