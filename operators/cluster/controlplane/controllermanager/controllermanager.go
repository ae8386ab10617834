// Package controllermanager builds the controller manager of one tenant.
package controllermanager

import (
	corev1 "k8s.io/api/core/v1"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/controlplane"
)

// KubeconfigSecret names the Secret with the controller manager's kubeconfig.
const KubeconfigSecret = "kube-controller-manager-kubeconfig"

const port = 10257

// PKI are the key pairs that the controller manager needs. It is the one
// component that holds the key of the CA, to sign the certificates of kubelets.
var PKI = []controlplane.SecretFiles{
	{Secret: v1alpha1.SecretControllerManager, Keys: []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey}},
	{Secret: v1alpha1.SecretCA, Keys: []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey}},
	{Secret: v1alpha1.SecretFrontProxyClient, Keys: []string{"ca.crt"}},
	{Secret: v1alpha1.SecretServiceAccount, Keys: []string{"sa.key"}},
}

// Deployment runs the controller manager.
func Deployment(t controlplane.Tenant) *appsv1ac.DeploymentApplyConfiguration {
	return t.Deployment(controlplane.Pod{
		Component: controlplane.ControllerManager,
		Image:     t.Image(controlplane.ControllerManager),
		Command:   command(t),
		PKI:       PKI,
		Config:    controlplane.SecretFiles{Secret: KubeconfigSecret, Keys: []string{v1alpha1.KubeconfigKey}},
		Port:      port,
		Startup:   controlplane.StartupProbe(corev1.URISchemeHTTPS, "/healthz"),
		Liveness:  controlplane.LivenessProbe(corev1.URISchemeHTTPS, "/healthz"),
		Resources: t.Resources(controlplane.ControllerManager),
	})
}

// command is kubeadm's (phases/controlplane/manifests.go of v1.36).
func command(t controlplane.Tenant) []string {
	kubeconfig := controlplane.ConfigFile(v1alpha1.KubeconfigKey)
	ca := controlplane.PKIFile(v1alpha1.SecretCA, corev1.TLSCertKey)
	return []string{
		"kube-controller-manager",
		"--allocate-node-cidrs=true",
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		// The kubelet probes the pod's address; everything but the health checks asks for authorization.
		"--bind-address=0.0.0.0",
		"--client-ca-file=" + ca,
		"--cluster-cidr=" + string(t.Spec.Network.PodCIDR),
		"--cluster-name=" + t.Name,
		"--cluster-signing-cert-file=" + ca,
		"--cluster-signing-key-file=" + controlplane.PKIFile(v1alpha1.SecretCA, corev1.TLSPrivateKeyKey),
		"--controllers=*,bootstrapsigner,tokencleaner",
		"--kubeconfig=" + kubeconfig,
		t.LeaderElection(),
		"--node-cidr-mask-size=24",
		"--profiling=false",
		"--requestheader-client-ca-file=" + controlplane.PKIFile(v1alpha1.SecretFrontProxyClient, "ca.crt"),
		"--root-ca-file=" + ca,
		"--service-account-private-key-file=" + controlplane.PKIFile(v1alpha1.SecretServiceAccount, "sa.key"),
		"--service-cluster-ip-range=" + string(t.Spec.Network.ServiceCIDR),
		"--use-service-account-credentials=true",
	}
}
