package controlplane

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"slipway.dev/api/v1alpha1"
)

// PKIPath is where a pod finds its key pairs: PKIPath/SECRET/KEY.
const PKIPath = "/etc/kubernetes/pki"

// user is the unprivileged user and group of every component, as in distroless images.
const user = 65532

// SecretFiles are the keys of one Secret that a pod mounts.
type SecretFiles struct {
	Secret string
	Keys   []string
}

// PKIFile is the path of one key of a Secret that the pod mounts.
func PKIFile(secret, key string) string {
	return PKIPath + "/" + secret + "/" + key
}

// Pod is what differs between the pods of components.
type Pod struct {
	Component string
	Image     string
	Command   []string
	Env       []*corev1ac.EnvVarApplyConfiguration
	// PKI are mounted Secrets of the cert-operator; a change rolls the pod.
	PKI []SecretFiles
	// Config are files with which the component is configured, a kubeconfig among
	// them that refers to files of PKI.
	Config    SecretFiles
	Mounts    []*corev1ac.VolumeMountApplyConfiguration
	Port      int32
	Startup   *corev1ac.ProbeApplyConfiguration
	Readiness *corev1ac.ProbeApplyConfiguration
	Liveness  *corev1ac.ProbeApplyConfiguration
	Resources Resources
	// Hosts are addresses by host name, for /etc/hosts.
	Hosts map[string]string
	// ClusterDNS is for pods that find others by name; the rest does without.
	ClusterDNS bool
	// Annotations besides the hash of the PKI.
	Annotations map[string]string
}

// Template is the pod template: an unprivileged process on a read-only root,
// without a token for the management cluster.
func (t Tenant) Template(pod Pod) *corev1ac.PodTemplateSpecApplyConfiguration {
	annotations := maps.Clone(pod.Annotations)
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[v1alpha1.AnnotationPKIHash] = t.pkiHash(pod.PKI)

	container := corev1ac.Container().
		WithName(pod.Component).
		WithImage(pod.Image).
		WithImagePullPolicy(corev1.PullIfNotPresent).
		WithCommand(pod.Command...).
		WithEnv(pod.Env...).
		WithEnv(pod.Resources.goRuntime()...).
		WithPorts(corev1ac.ContainerPort().WithName("probe").WithContainerPort(pod.Port).WithProtocol(corev1.ProtocolTCP)).
		WithVolumeMounts(corev1ac.VolumeMount().WithName("pki").WithMountPath(PKIPath).WithReadOnly(true)).
		WithVolumeMounts(pod.Mounts...).
		WithStartupProbe(pod.Startup).
		WithLivenessProbe(pod.Liveness).
		WithResources(pod.Resources.apply()).
		// What a component said last is what its status is made from.
		WithTerminationMessagePolicy(corev1.TerminationMessageFallbackToLogsOnError).
		WithSecurityContext(corev1ac.SecurityContext().
			WithAllowPrivilegeEscalation(false).
			WithReadOnlyRootFilesystem(true).
			WithCapabilities(corev1ac.Capabilities().WithDrop("ALL")))
	if pod.Readiness != nil {
		container.WithReadinessProbe(pod.Readiness)
	}

	dnsPolicy := corev1.DNSDefault
	if pod.ClusterDNS {
		dnsPolicy = corev1.DNSClusterFirst
	}
	spec := corev1ac.PodSpec().
		WithPriorityClassName(v1alpha1.PriorityClassControlPlanes).
		WithAutomountServiceAccountToken(false).
		WithEnableServiceLinks(false).
		WithDNSPolicy(dnsPolicy).
		WithTerminationGracePeriodSeconds(5).
		WithSecurityContext(corev1ac.PodSecurityContext().
			WithRunAsNonRoot(true).WithRunAsUser(user).WithRunAsGroup(user).WithFSGroup(user).
			WithSeccompProfile(corev1ac.SeccompProfile().WithType(corev1.SeccompProfileTypeRuntimeDefault))).
		WithContainers(container).
		WithVolumes(pkiVolume(pod)).
		WithHostAliases(hostAliases(pod.Hosts)...)
	return corev1ac.PodTemplateSpec().
		WithLabels(t.Labels(pod.Component)).
		WithAnnotations(annotations).
		WithSpec(spec)
}

// ConfigFile is the path of one of a pod's Config files.
func ConfigFile(key string) string {
	return PKIPath + "/" + key
}

// pkiVolume projects every Secret into a folder of its own, and the
// configuration beside them.
func pkiVolume(pod Pod) *corev1ac.VolumeApplyConfiguration {
	projected := corev1ac.ProjectedVolumeSource().WithDefaultMode(0o440)
	for _, files := range pod.PKI {
		source := corev1ac.SecretProjection().WithName(files.Secret)
		for _, key := range files.Keys {
			source.WithItems(corev1ac.KeyToPath().WithKey(key).WithPath(files.Secret + "/" + key))
		}
		projected.WithSources(corev1ac.VolumeProjection().WithSecret(source))
	}
	if pod.Config.Secret != "" {
		source := corev1ac.SecretProjection().WithName(pod.Config.Secret)
		for _, key := range pod.Config.Keys {
			source.WithItems(corev1ac.KeyToPath().WithKey(key).WithPath(key))
		}
		projected.WithSources(corev1ac.VolumeProjection().WithSecret(source))
	}
	return corev1ac.Volume().WithName("pki").WithProjected(projected)
}

func hostAliases(hosts map[string]string) []*corev1ac.HostAliasApplyConfiguration {
	var aliases []*corev1ac.HostAliasApplyConfiguration
	for _, host := range slices.Sorted(maps.Keys(hosts)) {
		aliases = append(aliases, corev1ac.HostAlias().WithIP(hosts[host]).WithHostnames(host))
	}
	return aliases
}

// StartupProbe asks every second, so that a start costs no more time than it
// takes, for up to five minutes.
func StartupProbe(scheme corev1.URIScheme, path string) *corev1ac.ProbeApplyConfiguration {
	return probe(scheme, path).WithPeriodSeconds(1).WithTimeoutSeconds(5).WithFailureThreshold(300)
}

// ReadinessProbe takes a component out of its Service after ten seconds.
func ReadinessProbe(scheme corev1.URIScheme, path string) *corev1ac.ProbeApplyConfiguration {
	return probe(scheme, path).WithPeriodSeconds(5).WithTimeoutSeconds(5).WithFailureThreshold(2)
}

// LivenessProbe restarts a component that has not answered for eighty seconds, as kubeadm does.
func LivenessProbe(scheme corev1.URIScheme, path string) *corev1ac.ProbeApplyConfiguration {
	return probe(scheme, path).WithPeriodSeconds(10).WithTimeoutSeconds(15).WithFailureThreshold(8)
}

func probe(scheme corev1.URIScheme, path string) *corev1ac.ProbeApplyConfiguration {
	return corev1ac.Probe().WithHTTPGet(corev1ac.HTTPGetAction().
		WithScheme(scheme).WithPath(path).WithPort(intstr.FromString("probe")))
}
