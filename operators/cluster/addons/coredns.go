package addons

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	rbacv1ac "k8s.io/client-go/applyconfigurations/rbac/v1"
)

// CoreDNS is the name of cluster DNS and its namespace in the tenant.
const (
	CoreDNS          = "coredns"
	CoreDNSNamespace = systemNamespace
)

const (
	coreDNSRole = "system:coredns"
	// What selects and names cluster DNS in every Kubernetes, whichever program serves it.
	dnsApp     = "kube-dns"
	configFile = "Corefile"
	configPath = "/etc/coredns"
	// What the tenant's users may add: the keys of a ConfigMap of theirs, as AKS has it. Without it CoreDNS finds
	// files without content: it would warn with every look at its configuration of those that are not there.
	customConfig = "coredns-custom"
	customPath   = configPath + "/custom"
	noOverride   = "none.override"
	noServer     = "none.server"
)

// DNS is what cluster DNS is made from.
type DNS struct {
	// Image of CoreDNS.
	Image string
	// Domain inside the tenant.
	Domain string
	// IssuerHost is the name of the issuer of the tenant's service accounts.
	IssuerHost string
	// Address of its Service.
	Address   string
	Placement Placement
}

// ClusterDNS is kubeadm's CoreDNS (phases/addons/dns/manifests.go of v1.36).
func ClusterDNS(dns DNS) []runtime.ApplyConfiguration {
	return []runtime.ApplyConfiguration{
		corev1ac.ServiceAccount(CoreDNS, systemNamespace),
		rbacv1ac.ClusterRole(coreDNSRole).WithRules(
			rule("").WithResources("endpoints", "services", "pods", "namespaces").WithVerbs("list", "watch"),
			rule("discovery.k8s.io").WithResources("endpointslices").WithVerbs("list", "watch")),
		bind(coreDNSRole, coreDNSRole, rbacv1ac.Subject().WithKind("ServiceAccount").WithName(CoreDNS).WithNamespace(systemNamespace)),
		corev1ac.ConfigMap(CoreDNS, systemNamespace).WithData(map[string]string{
			configFile: corefile(dns),
			noOverride: "# " + customConfig + " can have plugins for all zones in keys that end in .override\n",
			noServer:   "# " + customConfig + " can have zones in keys that end in .server\n",
		}),
		service(dns.Address),
		deployment(dns),
	}
}

// corefile has beside kubeadm's the name of the issuer of service accounts,
// which leads to the API server as kubernetes.default.svc does, and what the
// tenant's users add.
func corefile(dns DNS) string {
	return fmt.Sprintf(`.:53 {
    errors
    rewrite name exact %[2]s kubernetes.default.svc.%[1]s
    health {
       lameduck 5s
    }
    ready
    kubernetes %[1]s in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30 {
       disable success %[1]s
       disable denial %[1]s
    }
    loop
    reload
    loadbalance
    import %[3]s/*.override
}
import %[3]s/*.server
`, dns.Domain, dns.IssuerHost, customPath)
}

func service(address string) *corev1ac.ServiceApplyConfiguration {
	port := func(name string, number int32, protocol corev1.Protocol) *corev1ac.ServicePortApplyConfiguration {
		return corev1ac.ServicePort().WithName(name).WithPort(number).WithProtocol(protocol).WithTargetPort(intstr.FromInt32(number))
	}
	return corev1ac.Service(dnsApp, systemNamespace).
		WithLabels(map[string]string{
			"k8s-app":                       dnsApp,
			"kubernetes.io/cluster-service": "true",
			"kubernetes.io/name":            "CoreDNS",
		}).
		WithAnnotations(map[string]string{"prometheus.io/port": "9153", "prometheus.io/scrape": "true"}).
		WithSpec(corev1ac.ServiceSpec().
			WithClusterIP(address).
			WithSelector(map[string]string{"k8s-app": dnsApp}).
			WithPorts(
				port("dns", 53, corev1.ProtocolUDP),
				port("dns-tcp", 53, corev1.ProtocolTCP),
				port("metrics", 9153, corev1.ProtocolTCP)))
}

func deployment(dns DNS) *appsv1ac.DeploymentApplyConfiguration {
	selector := map[string]string{"k8s-app": dnsApp}
	// kubeadm's would rather not have two on one worker, and has them there when the others join later.
	apart := corev1ac.PodAntiAffinity().WithRequiredDuringSchedulingIgnoredDuringExecution(corev1ac.PodAffinityTerm().
		WithTopologyKey(corev1.LabelHostname).
		WithLabelSelector(metav1ac.LabelSelector().WithMatchLabels(selector)))
	return appsv1ac.Deployment(CoreDNS, systemNamespace).
		WithLabels(selector).
		WithSpec(appsv1ac.DeploymentSpec().
			WithReplicas(dns.Placement.Replicas).
			WithStrategy(appsv1ac.DeploymentStrategy().WithType(appsv1.RollingUpdateDeploymentStrategyType).
				WithRollingUpdate(appsv1ac.RollingUpdateDeployment().WithMaxUnavailable(intstr.FromInt32(1)))).
			WithSelector(metav1ac.LabelSelector().WithMatchLabels(selector)).
			WithTemplate(corev1ac.PodTemplateSpec().
				WithLabels(selector).
				WithSpec(corev1ac.PodSpec().
					WithPriorityClassName("system-cluster-critical").
					WithServiceAccountName(CoreDNS).
					WithAffinity(corev1ac.Affinity().WithPodAntiAffinity(apart)).
					WithTolerations(tolerations(dns.Placement)...).
					WithNodeSelector(map[string]string{corev1.LabelOSStable: "linux"}).
					WithDNSPolicy(corev1.DNSDefault).
					WithContainers(container(dns.Image)).
					WithVolumes(
						corev1ac.Volume().WithName("config").WithConfigMap(corev1ac.ConfigMapVolumeSource().
							WithName(CoreDNS).
							WithItems(file(configFile))),
						corev1ac.Volume().WithName("custom").WithProjected(corev1ac.ProjectedVolumeSource().WithSources(
							corev1ac.VolumeProjection().WithConfigMap(corev1ac.ConfigMapProjection().
								WithName(CoreDNS).
								WithItems(file(noOverride), file(noServer))),
							corev1ac.VolumeProjection().WithConfigMap(corev1ac.ConfigMapProjection().
								WithName(customConfig).
								WithOptional(true))))))))
}

func tolerations(placement Placement) []*corev1ac.TolerationApplyConfiguration {
	tolerations := []*corev1ac.TolerationApplyConfiguration{
		corev1ac.Toleration().WithKey(criticalAddonsOnly).WithOperator(corev1.TolerationOpExists),
		corev1ac.Toleration().WithKey("node-role.kubernetes.io/control-plane").WithEffect(corev1.TaintEffectNoSchedule),
	}
	for _, t := range placement.Tolerations {
		tolerations = append(tolerations, corev1ac.Toleration().WithKey(t.Key).WithOperator(t.Operator).WithEffect(t.Effect))
	}
	return tolerations
}

// file is a key of a ConfigMap as a file of the same name.
func file(key string) *corev1ac.KeyToPathApplyConfiguration {
	return corev1ac.KeyToPath().WithKey(key).WithPath(key)
}

func container(image string) *corev1ac.ContainerApplyConfiguration {
	port := func(name string, number int32, protocol corev1.Protocol) *corev1ac.ContainerPortApplyConfiguration {
		return corev1ac.ContainerPort().WithName(name).WithContainerPort(number).WithProtocol(protocol)
	}
	get := func(path, port string) *corev1ac.HTTPGetActionApplyConfiguration {
		return corev1ac.HTTPGetAction().WithPath(path).WithPort(intstr.FromString(port)).WithScheme(corev1.URISchemeHTTP)
	}
	return corev1ac.Container().
		WithName(CoreDNS).
		WithImage(image).
		WithImagePullPolicy(corev1.PullIfNotPresent).
		WithArgs("-conf", configPath+"/"+configFile).
		WithResources(corev1ac.ResourceRequirements().
			WithLimits(corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("170Mi")}).
			WithRequests(corev1.ResourceList{
				corev1.ResourceCPU:    resource.MustParse("100m"),
				corev1.ResourceMemory: resource.MustParse("70Mi"),
			})).
		WithVolumeMounts(
			corev1ac.VolumeMount().WithName("config").WithMountPath(configPath).WithReadOnly(true),
			corev1ac.VolumeMount().WithName("custom").WithMountPath(customPath).WithReadOnly(true)).
		WithPorts(
			port("dns", 53, corev1.ProtocolUDP),
			port("dns-tcp", 53, corev1.ProtocolTCP),
			port("metrics", 9153, corev1.ProtocolTCP),
			port("liveness-probe", 8080, corev1.ProtocolTCP),
			port("readiness-probe", 8181, corev1.ProtocolTCP)).
		WithLivenessProbe(corev1ac.Probe().WithHTTPGet(get("/health", "liveness-probe")).
			WithInitialDelaySeconds(60).WithTimeoutSeconds(5).WithSuccessThreshold(1).WithFailureThreshold(5)).
		// Not in kubeadm's: a new cluster waits for its DNS, and the readiness
		// probe comes only every ten seconds. It does not give up for an hour,
		// because CoreDNS is not ready before the API answers.
		WithStartupProbe(corev1ac.Probe().WithHTTPGet(get("/ready", "readiness-probe")).WithPeriodSeconds(1).WithFailureThreshold(3600)).
		WithReadinessProbe(corev1ac.Probe().WithHTTPGet(get("/ready", "readiness-probe"))).
		WithSecurityContext(corev1ac.SecurityContext().
			WithAllowPrivilegeEscalation(false).
			WithCapabilities(corev1ac.Capabilities().WithAdd("NET_BIND_SERVICE").WithDrop("ALL")).
			WithReadOnlyRootFilesystem(true))
}
