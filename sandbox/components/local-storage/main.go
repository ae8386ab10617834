// Command local-storage provisions directories of the node that it runs on as persistent volumes. One instance runs on
// every node and serves the claims that the scheduler has placed there, so its storage class needs the binding mode
// WaitForFirstConsumer.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// selectedNode is the annotation with which the scheduler says where a claim's first pod will run.
const selectedNode = "volume.kubernetes.io/selected-node"

func main() {
	name := flag.String("provisioner", "slipway.dev/local-storage", "provisioner of the storage class to serve")
	root := flag.String("root", "/var/lib/slipway/volumes", "directory that holds one directory per volume, the same path on the node and in this container")
	node := flag.String("node-name", os.Getenv("NODE_NAME"), "node that this instance runs on")
	klog.InitFlags(nil)
	flag.Parse()
	if err := run(*name, provisioner{node: *node, root: *root}); err != nil {
		klog.ErrorS(err, "local-storage ends")
		klog.FlushAndExit(klog.ExitFlushTimeout, 1)
	}
}

func run(name string, p provisioner) error {
	if p.node == "" {
		return errors.New("no node name: set NODE_NAME")
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// No leader: the instances divide the work by node. The library's own back-off starts at 15 s, too long for a
	// volume that only waited for a directory.
	controller.NewProvisionController(ctx, client, name, p,
		controller.LeaderElection(false),
		controller.MetricsPort(0),
		controller.FailedDeleteThreshold(0),
		controller.FailedProvisionThreshold(0),
		controller.RateLimiter(workqueue.NewTypedItemExponentialFailureRateLimiter[string](200*time.Millisecond, time.Minute)),
	).Run(ctx)
	return nil
}

// provisioner makes and removes the directories of one node.
type provisioner struct {
	node, root string
}

var (
	_ controller.Provisioner   = provisioner{}
	_ controller.Qualifier     = provisioner{}
	_ controller.DeletionGuard = provisioner{}
)

// ShouldProvision accepts the claims that are placed on this node.
func (p provisioner) ShouldProvision(_ context.Context, claim *corev1.PersistentVolumeClaim) bool {
	return claim.Annotations[selectedNode] == p.node
}

// ShouldDelete accepts the volumes that this node holds.
func (p provisioner) ShouldDelete(_ context.Context, volume *corev1.PersistentVolume) bool {
	return volume.Spec.Local != nil && nodeOf(volume) == p.node
}

// Provision makes the volume's directory, writable for any user as pods do not say beforehand which they run as.
func (p provisioner) Provision(_ context.Context, options controller.ProvisionOptions) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	path := filepath.Join(p.root, options.PVName)
	if err := os.MkdirAll(path, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	if err := os.Chmod(path, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: options.PVName},
		Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *options.StorageClass.ReclaimPolicy,
			AccessModes:                   options.PVC.Spec.AccessModes,
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: options.PVC.Spec.Resources.Requests[corev1.ResourceStorage]},
			// A local volume rather than a hostPath: kubelet then honours the pod's fsGroup.
			PersistentVolumeSource: corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: path}},
			NodeAffinity:           onNode(p.node),
		},
	}, controller.ProvisioningFinished, nil
}

// Delete removes the volume's directory, and nothing outside the root.
func (p provisioner) Delete(_ context.Context, volume *corev1.PersistentVolume) error {
	path := filepath.Clean(volume.Spec.Local.Path)
	if filepath.Dir(path) != filepath.Clean(p.root) {
		return fmt.Errorf("volume %s: %s is not a directory of %s", volume.Name, path, p.root)
	}
	return os.RemoveAll(path)
}

func onNode(name string) *corev1.VolumeNodeAffinity {
	return &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
		MatchExpressions: []corev1.NodeSelectorRequirement{{
			Key:      corev1.LabelHostname,
			Operator: corev1.NodeSelectorOpIn,
			Values:   []string{name},
		}},
	}}}}
}

// nodeOf returns the node of a volume made by onNode, or nothing.
func nodeOf(volume *corev1.PersistentVolume) string {
	if volume.Spec.NodeAffinity == nil || volume.Spec.NodeAffinity.Required == nil {
		return ""
	}
	for _, term := range volume.Spec.NodeAffinity.Required.NodeSelectorTerms {
		for _, match := range term.MatchExpressions {
			if match.Key == corev1.LabelHostname && len(match.Values) == 1 {
				return match.Values[0]
			}
		}
	}
	return ""
}
