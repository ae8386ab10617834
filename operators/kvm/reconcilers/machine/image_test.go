package machine_test

import (
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/image"
)

// testImage: with digests no guest starts by a mere tag, and another digest is
// for the next start of a guest, which goes on as it is.
func (s *suite) testImage(t *testing.T) {
	m := s.booted(t, "image")
	vm, guest := &kubevirtv1.VirtualMachine{}, &kubevirtv1.VirtualMachineInstance{}
	s.get(t, m.key, vm)
	s.get(t, m.key, guest)
	running := guest.UID
	byTag := "registry.test/guest:" + string(v1alpha1.SupportedVersions[0])
	if got := images(vm); got != [2]string{byTag, byTag} {
		t.Errorf("without digests the images are %q", got)
	}
	one, another := "sha256:"+strings.Repeat("1", 64), "sha256:"+strings.Repeat("2", 64)

	m.reconciler.Options.Digests = image.Digests{"guest:v1.0.0": one}
	m.reconcile(t)
	m.expect(t, "runs", v1alpha1.ConditionGuestRunning, metav1.ConditionTrue, "Running")
	if err := s.client.Delete(t.Context(), vm); err != nil {
		t.Fatal(err)
	}
	m.reconcile(t)
	missing := m.expect(t, "cannot run", v1alpha1.ConditionGuestRunning, metav1.ConditionFalse, "ImageWithoutDigest")
	if !strings.Contains(missing.Message, strings.TrimPrefix(byTag, "registry.test/")) {
		t.Errorf("it says %q", missing.Message)
	}
	if err := s.client.Get(t.Context(), m.key, vm); !apierrors.IsNotFound(err) {
		t.Errorf("a VirtualMachine whose image has no digest: %v", err)
	}

	for _, digest := range []string{one, another} {
		m.reconciler.Options.Digests = image.Digests{strings.TrimPrefix(byTag, "registry.test/"): digest}
		for range 2 {
			m.reconcile(t)
		}
		made := &kubevirtv1.VirtualMachine{}
		s.get(t, m.key, made)
		if got, want := images(made), byTag+"@"+digest; got != [2]string{want, want} {
			t.Errorf("the images are %q, want %q", got, want)
		}
	}
	s.get(t, m.key, guest)
	if guest.UID != running || guest.DeletionTimestamp != nil {
		t.Error("the guest was replaced")
	}
}

// images of the kernel and of the root disk.
func images(vm *kubevirtv1.VirtualMachine) [2]string {
	spec := vm.Spec.Template.Spec
	return [2]string{spec.Domain.Firmware.KernelBoot.Container.Image, spec.Volumes[0].ContainerDisk.Image}
}
