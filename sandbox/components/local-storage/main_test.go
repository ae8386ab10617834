package main

import (
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"

	storagev1 "k8s.io/api/storage/v1"
)

func TestProvisionAndDelete(t *testing.T) {
	p := provisioner{node: "node-1", root: t.TempDir()}
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{selectedNode: "node-1"}}}
	if !p.ShouldProvision(t.Context(), claim) {
		t.Error("a claim placed on this node is not provisioned")
	}
	volume, _, err := p.Provision(t.Context(), controller.ProvisionOptions{
		PVName:       "pvc-1",
		PVC:          claim,
		StorageClass: &storagev1.StorageClass{ReclaimPolicy: new(corev1.PersistentVolumeReclaimDelete)},
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(p.root, "pvc-1")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o777 {
		t.Errorf("directory of the volume: %v, %v", info, err)
	}
	if !p.ShouldDelete(t.Context(), volume) {
		t.Error("own volume is not deleted")
	}
	if err := p.Delete(t.Context(), volume); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("directory is still there: %v", err)
	}
}

func TestOtherNodesAreLeftAlone(t *testing.T) {
	p := provisioner{node: "node-1", root: t.TempDir()}
	other := &corev1.PersistentVolume{Spec: corev1.PersistentVolumeSpec{
		PersistentVolumeSource: corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: "/x"}},
		NodeAffinity:           onNode("node-2"),
	}}
	if p.ShouldDelete(t.Context(), other) {
		t.Error("deletes the volume of another node")
	}
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{selectedNode: "node-2"}}}
	if p.ShouldProvision(t.Context(), claim) {
		t.Error("provisions a claim of another node")
	}
}

func TestDeleteStaysBelowRoot(t *testing.T) {
	p := provisioner{node: "node-1", root: t.TempDir()}
	volume := &corev1.PersistentVolume{Spec: corev1.PersistentVolumeSpec{
		PersistentVolumeSource: corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: p.root + "/../elsewhere"}},
	}}
	if err := p.Delete(t.Context(), volume); err == nil {
		t.Error("deletes a path outside the root")
	}
}
