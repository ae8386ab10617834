package virtualmachine_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/guest/contract"
	"slipway.dev/kit/golden"
	"slipway.dev/operators/kvm/virtualmachine"
)

func input() virtualmachine.Input {
	return virtualmachine.Input{
		Machine: &v1alpha1.Machine{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: "tenant-demo-12345678", Name: "a-bcdfg", UID: "7b1c",
				Labels: map[string]string{v1alpha1.LabelPool: "a"},
			},
			Spec: v1alpha1.MachineSpec{
				Version: "v1.36.3", NetworkName: "demo",
				Machine: v1alpha1.MachineSize{Cores: 2, Memory: resource.MustParse("2Gi"), Disk: resource.MustParse("10Gi")},
			},
		},
		MACAddress: "02:00:00:c8:00:10", SecretName: "a-bcdfg-bootstrap",
		Image: "registry.slipway.internal/guest:v1.36.3@sha256:" + strings.Repeat("0f", 32), CPURequestPerCore: resource.MustParse("100m"), KernelArgs: "mitigations=off",
	}
}

func TestBuild(t *testing.T) {
	vm, err := virtualmachine.Build(input())
	if err != nil {
		t.Fatal(err)
	}
	// The guest's own constants may change without anybody reading this file.
	kernelArgs := []string{"spec", "template", "spec", "domain", "firmware", "kernelBoot", "kernelArgs"}
	if args, _, _ := unstructured.NestedString(vm.Object, kernelArgs...); args != contract.KernelArgs+" mitigations=off" {
		t.Errorf("kernel arguments %q", args)
	}
	unstructured.RemoveNestedField(vm.Object, kernelArgs...)
	golden.Objects(t, "virtualmachine", vm.Object)
}

// A guest is not killed while its pods still have time to end.
func TestGracePeriod(t *testing.T) {
	in := input()
	in.Machine.Spec.Kubelet = &v1alpha1.KubeletSettings{ShutdownGracePeriodSeconds: new(int32(60))}
	vm, err := virtualmachine.Build(in)
	if err != nil {
		t.Fatal(err)
	}
	seconds, _, err := unstructured.NestedInt64(vm.Object, "spec", "template", "spec", "terminationGracePeriodSeconds")
	if err != nil || seconds != 65 {
		t.Errorf("the guest has %d seconds, %v; want 65", seconds, err)
	}
}
