// Package virtualmachine builds the KubeVirt VirtualMachine of a Machine and
// reads what KubeVirt reports about it.
package virtualmachine

import (
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/guest/contract"
)

// Keys of the Secret that holds a guest's cloud-init data, as KubeVirt wants them.
const (
	UserDataKey    = "userdata"
	NetworkDataKey = "networkdata"
)

// Input is what a VirtualMachine is made from.
type Input struct {
	Machine *v1alpha1.Machine
	// MACAddress of the guest's NIC.
	MACAddress string
	// SecretName of the cloud-init data.
	SecretName string
	// Image is the reference of the guest's image.
	Image string
	// CPURequestPerCore is what the scheduler sets aside for each core of a
	// guest; zero leaves it to KubeVirt, which takes a tenth of a core.
	CPURequestPerCore resource.Quantity
	// KernelArgs follow the guest's own.
	KernelArgs string
}

// Names of disks, volumes, interface and network.
const (
	rootDisk  = contract.RootDiskSerial
	stateDisk = contract.StateDiskSerial
	seedDisk  = "cloudinit"
	fabric    = "fabric"
)

// powerOffSeconds is what a guest gets to power off when its pods have ended.
const powerOffSeconds = 5

// gracePeriod is what a guest gets to stop. Where nothing else is asked for it is
// short: pods have been evicted by then, or go with their whole cluster.
func gracePeriod(machine *v1alpha1.Machine) int64 {
	pods := int64(contract.DefaultShutdownGracePeriodSeconds)
	if kubelet := machine.Spec.Kubelet; kubelet != nil && kubelet.ShutdownGracePeriodSeconds != nil {
		pods = int64(*kubelet.ShutdownGracePeriodSeconds)
	}
	return pods + powerOffSeconds
}

// Build returns the VirtualMachine as an object for server-side apply, without
// status and without the zero values that would make us own fields which
// KubeVirt fills in.
func Build(in Input) (*unstructured.Unstructured, error) {
	machine := in.Machine
	labels := map[string]string{
		v1alpha1.LabelTenant: machine.Namespace,
		v1alpha1.LabelPool:   machine.Labels[v1alpha1.LabelPool],
	}
	vm := kubevirtv1.VirtualMachine{
		TypeMeta: metav1.TypeMeta{APIVersion: kubevirtv1.GroupVersion.String(), Kind: kubevirtv1.VirtualMachineGroupVersionKind.Kind},
		ObjectMeta: metav1.ObjectMeta{
			Name: machine.Name, Namespace: machine.Namespace, Labels: labels,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(machine, v1alpha1.SchemeGroupVersion.WithKind("Machine"))},
		},
		Spec: kubevirtv1.VirtualMachineSpec{
			// Always, not RerunOnFailure: a worker that was powered off from inside comes back.
			RunStrategy: new(kubevirtv1.RunStrategyAlways),
			Template: &kubevirtv1.VirtualMachineInstanceTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: kubevirtv1.VirtualMachineInstanceSpec{
					Domain: domain(in),
					// External: eviction from a management node is reported to us, and the Machine is drained and replaced.
					EvictionStrategy:              new(kubevirtv1.EvictionStrategyExternal),
					TerminationGracePeriodSeconds: new(gracePeriod(machine)),
					PriorityClassName:             v1alpha1.PriorityClassGuests,
					TopologySpreadConstraints:     spread(labels),
					Networks: []kubevirtv1.Network{{Name: fabric, NetworkSource: kubevirtv1.NetworkSource{
						Multus: &kubevirtv1.MultusNetwork{NetworkName: machine.Namespace + "/" + machine.Spec.NetworkName},
					}}},
					Volumes: volumes(in),
				},
			},
		},
	}
	return withoutZeroValues(vm)
}

func domain(in Input) kubevirtv1.DomainSpec {
	size := in.Machine.Spec.Machine
	// No CPU model: named models are not schedulable under software emulation.
	return kubevirtv1.DomainSpec{
		CPU:       &kubevirtv1.CPU{Cores: uint32(size.Cores)},
		Memory:    &kubevirtv1.Memory{Guest: &size.Memory},
		Resources: resources(in),
		Firmware: &kubevirtv1.Firmware{KernelBoot: &kubevirtv1.KernelBoot{
			KernelArgs: strings.TrimSpace(contract.KernelArgs + " " + in.KernelArgs),
			Container: &kubevirtv1.KernelBootContainer{
				// A tag is the version of Kubernetes; what it stands for may be mended.
				Image: in.Image, ImagePullPolicy: corev1.PullAlways,
				KernelPath: contract.KernelPath, InitrdPath: contract.InitrdPath,
			},
		}},
		Devices: kubevirtv1.Devices{
			Disks: []kubevirtv1.Disk{
				// Guests of one management node read the same file: the node's memory has it after the first.
				{Name: rootDisk, Serial: contract.RootDiskSerial, DiskDevice: virtioDisk(true), Cache: kubevirtv1.CacheWriteThrough},
				// What the guest writes need not survive its management node.
				{Name: stateDisk, Serial: contract.StateDiskSerial, DiskDevice: virtioDisk(false), Cache: kubevirtv1.CacheWriteBack},
				{Name: seedDisk, DiskDevice: virtioDisk(false)},
			},
			Interfaces: []kubevirtv1.Interface{{
				Name: fabric, MacAddress: in.MACAddress,
				InterfaceBindingMethod: kubevirtv1.InterfaceBindingMethod{Bridge: &kubevirtv1.InterfaceBridge{}},
			}},
			Rng:                        &kubevirtv1.Rng{}, // keys are made in the first second
			AutoattachPodInterface:     new(false),
			AutoattachGraphicsDevice:   new(false),
			AutoattachMemBalloon:       new(false),
			NetworkInterfaceMultiQueue: new(false),
		},
	}
}

func virtioDisk(readOnly bool) kubevirtv1.DiskDevice {
	return kubevirtv1.DiskDevice{Disk: &kubevirtv1.DiskTarget{Bus: kubevirtv1.DiskBusVirtio, ReadOnly: readOnly}}
}

func volumes(in Input) []kubevirtv1.Volume {
	secret := &corev1.LocalObjectReference{Name: in.SecretName}
	return []kubevirtv1.Volume{
		{Name: rootDisk, VolumeSource: kubevirtv1.VolumeSource{ContainerDisk: &kubevirtv1.ContainerDiskSource{
			Image: in.Image, ImagePullPolicy: corev1.PullAlways, Path: contract.RootPath,
		}}},
		{Name: stateDisk, VolumeSource: kubevirtv1.VolumeSource{EmptyDisk: &kubevirtv1.EmptyDiskSource{
			Capacity: in.Machine.Spec.Machine.Disk,
		}}},
		{Name: seedDisk, VolumeSource: kubevirtv1.VolumeSource{CloudInitNoCloud: &kubevirtv1.CloudInitNoCloudSource{
			UserDataSecretRef: secret, NetworkDataSecretRef: secret,
		}}},
	}
}

// spread keeps the workers of a pool on different management nodes where there are any.
func spread(labels map[string]string) []corev1.TopologySpreadConstraint {
	return []corev1.TopologySpreadConstraint{{
		MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.ScheduleAnyway,
		LabelSelector: &metav1.LabelSelector{MatchLabels: labels},
	}}
}

// withoutZeroValues goes through JSON, which honours omitempty, and removes
// what has none: KubeVirt's types have no apply configurations.
func withoutZeroValues(vm kubevirtv1.VirtualMachine) (*unstructured.Unstructured, error) {
	encoded, err := json.Marshal(vm)
	if err != nil {
		return nil, fmt.Errorf("encode VirtualMachine %s: %w", vm.Name, err)
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(encoded); err != nil {
		return nil, fmt.Errorf("decode VirtualMachine %s: %w", vm.Name, err)
	}
	for _, path := range [][]string{
		{"status"},
		{"metadata", "creationTimestamp"},
		{"spec", "template", "metadata", "creationTimestamp"},
	} {
		unstructured.RemoveNestedField(object.Object, path...)
	}
	return object, nil
}
