// Package controlplanetest has what the tests of components share.
package controlplanetest

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/controlplane"
)

// Tenant is the one that every golden file shows.
func Tenant() controlplane.Tenant {
	tenant := controlplane.Tenant{
		Name:            "demo",
		HostedNamespace: "tenant-demo-2f3c1a5e",
		UID:             "6f1d2c3b-4a59-4687-9c0e-1b2a3d4c5e6f",
		Spec: v1alpha1.TenantClusterSpec{
			Version: "v1.36.3",
			ControlPlane: v1alpha1.ControlPlane{
				Replicas: 1,
				Etcd:     v1alpha1.Etcd{Replicas: 1, Storage: resource.MustParse("2Gi")},
			},
			Network: v1alpha1.ClusterNetwork{
				PodCIDR: "10.244.0.0/16", ServiceCIDR: "10.96.0.0/16", NodeCIDR: "10.200.0.0/24", CNI: v1alpha1.CNIBridge,
			},
			Exposure: v1alpha1.Exposure{Type: v1alpha1.ExposureNodePort},
			DNS:      v1alpha1.ClusterDNS{Domain: "cluster.local"},
		},
		Images:             controlplane.Images{Registry: "registry.example.com", EtcdTag: "v3.7.3", CoreDNSTag: "v1.15.0"},
		IssuedSecrets:      map[string]string{},
		EtcdClusterIP:      "10.0.0.10",
		APIServerClusterIP: "10.0.0.11",
	}
	for n, image := range []string{"etcd:v3.7.3", "kube-apiserver:v1.36.3", "kube-controller-manager:v1.36.3", "kube-scheduler:v1.36.3"} {
		if err := tenant.Images.Digests.Add(fmt.Sprintf("%s@sha256:%064d", image, n+1)); err != nil {
			panic(err) // these are constants
		}
	}
	for _, name := range []string{
		v1alpha1.SecretCA, v1alpha1.SecretEtcdServer, v1alpha1.SecretEtcdPeer, v1alpha1.SecretAPIServer,
		v1alpha1.SecretAPIServerKubeletClient, v1alpha1.SecretAPIServerEtcdClient, v1alpha1.SecretFrontProxyClient,
		v1alpha1.SecretControllerManager, v1alpha1.SecretScheduler, v1alpha1.SecretServiceAccount,
	} {
		tenant.IssuedSecrets[name] = "hash of " + name
	}
	return tenant
}
