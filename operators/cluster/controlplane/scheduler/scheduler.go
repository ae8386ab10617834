// Package scheduler builds the scheduler of one tenant.
package scheduler

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/controlplane"
)

// ConfigSecret names the Secret with the scheduler's kubeconfig and
// configuration.
const (
	ConfigSecret  = "kube-scheduler-config"
	ConfigFileKey = "config.yaml"
)

// maxBackoffSeconds bounds the time after which a pod that fitted nowhere is
// tried again once something has changed. A tenant's first pods are tried in
// vain until its first worker is there: with the default of ten seconds they
// would then wait for that long.
const maxBackoffSeconds = 2

const port = 10259

// PKI is the key pair that the scheduler needs.
var PKI = []controlplane.SecretFiles{
	{Secret: v1alpha1.SecretScheduler, Keys: []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey, "ca.crt"}},
}

// Deployment runs the scheduler.
func Deployment(t controlplane.Tenant) *appsv1ac.DeploymentApplyConfiguration {
	return t.Deployment(controlplane.Pod{
		Component: controlplane.Scheduler,
		Image:     t.Image(controlplane.Scheduler),
		Command:   command(t),
		PKI:       PKI,
		Config:    controlplane.SecretFiles{Secret: ConfigSecret, Keys: []string{v1alpha1.KubeconfigKey, ConfigFileKey}},
		Port:      port,
		Startup:   controlplane.StartupProbe(corev1.URISchemeHTTPS, "/livez"),
		Liveness:  controlplane.LivenessProbe(corev1.URISchemeHTTPS, "/livez"),
		Resources: t.Resources(controlplane.Scheduler),
	})
}

// command is kubeadm's (phases/controlplane/manifests.go of v1.36), but for what
// stands in the configuration. Of the flags that the configuration has fields
// for, --leader-elect alone counts beside it.
func command(t controlplane.Tenant) []string {
	kubeconfig := controlplane.ConfigFile(v1alpha1.KubeconfigKey)
	return []string{
		"kube-scheduler",
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		// The kubelet probes the pod's address; everything but the health checks asks for authorization.
		"--bind-address=0.0.0.0",
		"--config=" + controlplane.ConfigFile(ConfigFileKey),
		t.LeaderElection(),
	}
}

// Config is the scheduler's configuration.
func Config() []byte {
	return fmt.Appendf(nil, `apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
clientConnection:
  kubeconfig: %s
enableProfiling: false
podMaxBackoffSeconds: %d
`, controlplane.ConfigFile(v1alpha1.KubeconfigKey), maxBackoffSeconds)
}
