// Package etcd builds the store of one tenant.
package etcd

import (
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/controlplane"
)

const (
	peerPort    = 2380
	metricsPort = 2381
	dataVolume  = "data"
	dataPath    = "/var/lib/etcd"
)

// PKI are the key pairs that a member needs.
var PKI = []controlplane.SecretFiles{
	{Secret: v1alpha1.SecretEtcdServer, Keys: []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey, "ca.crt"}},
	{Secret: v1alpha1.SecretEtcdPeer, Keys: []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey, "ca.crt"}},
}

// MemberHosts are the names of the members, in the order of their ordinals.
func MemberHosts(t controlplane.Tenant) []string {
	hosts := make([]string, 0, t.Spec.ControlPlane.Etcd.Replicas)
	for member := range t.Spec.ControlPlane.Etcd.Replicas {
		hosts = append(hosts, fmt.Sprintf("%s-%d.%s", controlplane.Etcd, member, t.ServiceHost(controlplane.Etcd)))
	}
	return hosts
}

// Service gives members their names.
func Service(t controlplane.Tenant) *corev1ac.ServiceApplyConfiguration {
	return corev1ac.Service(controlplane.Etcd, t.HostedNamespace).
		WithLabels(t.Labels(controlplane.Etcd)).
		WithSpec(corev1ac.ServiceSpec().
			WithClusterIP(corev1.ClusterIPNone).
			// Members must find each other before the first of them is ready.
			WithPublishNotReadyAddresses(true).
			WithSelector(t.Selector(controlplane.Etcd)).
			WithPorts(port("peer", peerPort)))
}

// ClientService is the one address at which API servers reach etcd.
func ClientService(t controlplane.Tenant) *corev1ac.ServiceApplyConfiguration {
	return corev1ac.Service(controlplane.EtcdClientService, t.HostedNamespace).
		WithLabels(t.Labels(controlplane.Etcd)).
		WithSpec(corev1ac.ServiceSpec().
			WithType(corev1.ServiceTypeClusterIP).
			// A sole member has nobody to hand over to: its address is as good
			// before it is ready, and the API server starts without waiting for a probe.
			WithPublishNotReadyAddresses(t.Spec.ControlPlane.Etcd.Replicas == 1).
			WithSelector(t.Selector(controlplane.Etcd)).
			WithPorts(port("client", controlplane.EtcdClientPort)))
}

func port(name string, number int32) *corev1ac.ServicePortApplyConfiguration {
	return corev1ac.ServicePort().WithName(name).WithPort(number).WithProtocol(corev1.ProtocolTCP).WithTargetPort(intstr.FromInt32(number))
}

// Claims are those that the StatefulSet would make for its members. They are
// made ahead of it, while certificates are issued, and it has no retention
// policy for them, by which its controller would write an owner into each claim
// just when the scheduler writes to it: the loser tries again only after a
// back-off. Whoever removes the StatefulSet removes the claims.
func Claims(t controlplane.Tenant) []*corev1ac.PersistentVolumeClaimApplyConfiguration {
	var claims []*corev1ac.PersistentVolumeClaimApplyConfiguration
	for member := range t.Spec.ControlPlane.Etcd.Replicas {
		name := fmt.Sprintf("%s-%s-%d", dataVolume, controlplane.Etcd, member)
		claims = append(claims, corev1ac.PersistentVolumeClaim(name, t.HostedNamespace).
			WithLabels(t.Labels(controlplane.Etcd)).
			WithSpec(claimSpec(t)))
	}
	return claims
}

func claimSpec(t controlplane.Tenant) *corev1ac.PersistentVolumeClaimSpecApplyConfiguration {
	size := t.Spec.ControlPlane.Etcd
	spec := corev1ac.PersistentVolumeClaimSpec().
		WithAccessModes(corev1.ReadWriteOnce).
		WithResources(corev1ac.VolumeResourceRequirements().WithRequests(corev1.ResourceList{corev1.ResourceStorage: size.Storage}))
	if size.StorageClassName != nil {
		spec.WithStorageClassName(*size.StorageClassName)
	}
	return spec
}

// StatefulSet runs the members.
func StatefulSet(t controlplane.Tenant) *appsv1ac.StatefulSetApplyConfiguration {
	template := t.Template(controlplane.Pod{
		Component: controlplane.Etcd,
		Image:     t.Image(controlplane.Etcd),
		Command:   command(t),
		Env: []*corev1ac.EnvVarApplyConfiguration{
			corev1ac.EnvVar().WithName("POD_NAME").WithValueFrom(corev1ac.EnvVarSource().
				WithFieldRef(corev1ac.ObjectFieldSelector().WithFieldPath("metadata.name"))),
		},
		PKI:       PKI,
		Mounts:    []*corev1ac.VolumeMountApplyConfiguration{corev1ac.VolumeMount().WithName(dataVolume).WithMountPath(dataPath)},
		Port:      metricsPort,
		Startup:   controlplane.StartupProbe(corev1.URISchemeHTTP, "/readyz"),
		Readiness: controlplane.ReadinessProbe(corev1.URISchemeHTTP, "/readyz"),
		Liveness:  controlplane.LivenessProbe(corev1.URISchemeHTTP, "/livez"),
		Resources: resources(t),
		// Members find each other by name.
		ClusterDNS: true,
	})
	return appsv1ac.StatefulSet(controlplane.Etcd, t.HostedNamespace).
		WithLabels(t.Labels(controlplane.Etcd)).
		WithSpec(appsv1ac.StatefulSetSpec().
			WithServiceName(controlplane.Etcd).
			WithReplicas(t.Spec.ControlPlane.Etcd.Replicas).
			WithPodManagementPolicy(appsv1.ParallelPodManagement).
			WithSelector(metav1ac.LabelSelector().WithMatchLabels(t.Selector(controlplane.Etcd))).
			WithTemplate(template).
			WithVolumeClaimTemplates(corev1ac.PersistentVolumeClaim(dataVolume, "").
				WithLabels(t.Labels(controlplane.Etcd)).
				WithSpec(claimSpec(t))))
}

// command is kubeadm's (phases/etcd/local.go of v1.36), for several members
// that know each other by name.
func command(t controlplane.Tenant) []string {
	hosts := MemberHosts(t)
	members := make([]string, 0, len(hosts))
	for member, host := range hosts {
		members = append(members, fmt.Sprintf("%s-%d=https://%s:%d", controlplane.Etcd, member, host, peerPort))
	}
	self := "$(POD_NAME)." + t.ServiceHost(controlplane.Etcd)
	return []string{
		"etcd",
		"--name=$(POD_NAME)",
		// A folder below the volume, because etcd wants to own its mode.
		"--data-dir=" + dataPath + "/data",
		fmt.Sprintf("--listen-client-urls=https://0.0.0.0:%d", controlplane.EtcdClientPort),
		fmt.Sprintf("--advertise-client-urls=https://%s:%d", self, controlplane.EtcdClientPort),
		fmt.Sprintf("--listen-peer-urls=https://0.0.0.0:%d", peerPort),
		fmt.Sprintf("--initial-advertise-peer-urls=https://%s:%d", self, peerPort),
		"--initial-cluster=" + strings.Join(members, ","),
		"--initial-cluster-token=" + t.HostedNamespace,
		"--cert-file=" + controlplane.PKIFile(v1alpha1.SecretEtcdServer, corev1.TLSCertKey),
		"--key-file=" + controlplane.PKIFile(v1alpha1.SecretEtcdServer, corev1.TLSPrivateKeyKey),
		"--trusted-ca-file=" + controlplane.PKIFile(v1alpha1.SecretEtcdServer, "ca.crt"),
		"--client-cert-auth=true",
		"--peer-cert-file=" + controlplane.PKIFile(v1alpha1.SecretEtcdPeer, corev1.TLSCertKey),
		"--peer-key-file=" + controlplane.PKIFile(v1alpha1.SecretEtcdPeer, corev1.TLSPrivateKeyKey),
		"--peer-trusted-ca-file=" + controlplane.PKIFile(v1alpha1.SecretEtcdPeer, "ca.crt"),
		"--peer-client-cert-auth=true",
		fmt.Sprintf("--listen-metrics-urls=http://0.0.0.0:%d", metricsPort),
		"--feature-gates=InitialCorruptCheck=true",
		"--watch-progress-notify-interval=5s",
		fmt.Sprintf("--snapshot-count=%d", snapshotCount),
		fmt.Sprintf("--snapshot-catchup-entries=%d", catchUpEntries(t)),
		"--max-wals=2",
		"--auto-compaction-mode=periodic",
		"--auto-compaction-retention=1h",
		fmt.Sprintf("--quota-backend-bytes=%d", quota(t.Spec.ControlPlane.Etcd.Storage)),
		// What a tenant has deleted is freed when its store is restarted.
		"--bootstrap-defrag-threshold-megabytes=64",
	}
}
