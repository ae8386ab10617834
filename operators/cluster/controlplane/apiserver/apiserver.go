// Package apiserver builds the API servers of one tenant.
package apiserver

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
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

// MaxReplicas is how many API servers a tenant can have, and addresses are set aside for.
const MaxReplicas = 5

// PKI are the key pairs that an API server needs.
var PKI = []controlplane.SecretFiles{
	{Secret: v1alpha1.SecretAPIServer, Keys: []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey, "ca.crt"}},
	{Secret: v1alpha1.SecretAPIServerKubeletClient, Keys: []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey}},
	{Secret: v1alpha1.SecretAPIServerEtcdClient, Keys: []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey, "ca.crt"}},
	{Secret: v1alpha1.SecretFrontProxyClient, Keys: []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey, "ca.crt"}},
	{Secret: v1alpha1.SecretServiceAccount, Keys: []string{"sa.key", "sa.pub"}},
}

// Replica is one API server: its pod, and its address on the tenant's network.
type Replica struct {
	PodName string
	Address netip.Addr
}

// Replicas are the API servers that a tenant should have.
func Replicas(t controlplane.Tenant) ([]Replica, error) {
	first, err := v1alpha1.APIServerAddress(t.Spec.Network.NodeCIDR, 0)
	if err != nil {
		return nil, fmt.Errorf("address of API server 0: %w", err)
	}
	_, ordinal := splitAddress(first)
	replicas := make([]Replica, 0, t.Spec.ControlPlane.Replicas)
	for n := range int(t.Spec.ControlPlane.Replicas) {
		address, err := v1alpha1.APIServerAddress(t.Spec.Network.NodeCIDR, n)
		if err != nil {
			return nil, fmt.Errorf("address of API server %d: %w", n, err)
		}
		replicas = append(replicas, Replica{PodName: fmt.Sprintf("%s-%d", controlplane.APIServer, ordinal+n), Address: address})
	}
	return replicas, nil
}

// splitAddress cuts the address of the first API server into a prefix and a
// number, so that prefix followed by number+n is the address of API server n.
// The number is the first ordinal of the StatefulSet: a pod's ordinal is the one
// thing that differs between replicas and can be put into an argument, and
// arguments can be joined but not added up. With the default nodeCIDR
// 10.200.0.0/24 the addresses 10.200.0.10 to .14 are "10.200.0.1" and 0 to 4.
func splitAddress(first netip.Addr) (prefix string, ordinal int) {
	text := first.String()
	octet := int(first.As4()[3])
	digits := 1
	if octet%10+MaxReplicas > 10 {
		digits = 2
	}
	ordinal, _ = strconv.Atoi(text[len(text)-digits:])
	return text[:len(text)-digits], ordinal
}

// Service is in front of all API servers.
func Service(t controlplane.Tenant) *corev1ac.ServiceApplyConfiguration {
	return corev1ac.Service(controlplane.APIServer, t.HostedNamespace).
		WithLabels(t.Labels(controlplane.APIServer)).
		WithSpec(corev1ac.ServiceSpec().
			WithType(corev1.ServiceType(t.Spec.Exposure.Type)).
			// A sole server has nobody to hand over to: it is found as soon as it listens, as with kubeadm.
			WithPublishNotReadyAddresses(t.Spec.ControlPlane.Replicas == 1).
			WithSelector(t.Selector(controlplane.APIServer)).
			WithPorts(corev1ac.ServicePort().WithName("https").WithPort(v1alpha1.APIServerPort).
				WithProtocol(corev1.ProtocolTCP).WithTargetPort(intstr.FromInt32(v1alpha1.APIServerPort))))
}

// StatefulSet runs the API servers, each with a NIC on the tenant's network.
func StatefulSet(t controlplane.Tenant) (*appsv1ac.StatefulSetApplyConfiguration, error) {
	first, err := v1alpha1.APIServerAddress(t.Spec.Network.NodeCIDR, 0)
	if err != nil {
		return nil, fmt.Errorf("address of the first API server: %w", err)
	}
	prefix, ordinal := splitAddress(first)
	networks, err := json.Marshal([]map[string]string{{"name": t.Name, "interface": "fabric0"}})
	if err != nil {
		return nil, fmt.Errorf("encode network annotation: %w", err)
	}
	resources := t.Resources(controlplane.APIServer)
	template := t.Template(controlplane.Pod{
		Component: controlplane.APIServer,
		Image:     t.Image(controlplane.APIServer),
		Command:   command(t, prefix+"$(POD_INDEX)", resources),
		Env: []*corev1ac.EnvVarApplyConfiguration{
			corev1ac.EnvVar().WithName("POD_INDEX").WithValueFrom(corev1ac.EnvVarSource().
				WithFieldRef(corev1ac.ObjectFieldSelector().WithFieldPath("metadata.labels['" + appsv1.PodIndexLabel + "']"))),
		},
		PKI:         PKI,
		Port:        v1alpha1.APIServerPort,
		Startup:     controlplane.StartupProbe(corev1.URISchemeHTTPS, "/readyz"),
		Readiness:   controlplane.ReadinessProbe(corev1.URISchemeHTTPS, "/readyz"),
		Liveness:    controlplane.LivenessProbe(corev1.URISchemeHTTPS, "/livez"),
		Resources:   resources,
		Hosts:       map[string]string{t.ServiceHost(controlplane.EtcdClientService): t.EtcdClusterIP},
		Annotations: map[string]string{"k8s.v1.cni.cncf.io/networks": string(networks)},
	})
	return appsv1ac.StatefulSet(controlplane.APIServer, t.HostedNamespace).
		WithLabels(t.Labels(controlplane.APIServer)).
		WithSpec(appsv1ac.StatefulSetSpec().
			WithServiceName(controlplane.APIServer).
			WithReplicas(t.Spec.ControlPlane.Replicas).
			WithOrdinals(appsv1ac.StatefulSetOrdinals().WithStart(int32(ordinal))).
			WithPodManagementPolicy(appsv1.ParallelPodManagement).
			WithSelector(metav1ac.LabelSelector().WithMatchLabels(t.Selector(controlplane.APIServer))).
			WithTemplate(template)), nil
}

// command is kubeadm's (phases/controlplane/manifests.go of v1.36), and
// --enable-aggregator-routing: the API server has a NIC on the tenant's network
// but no kube-proxy, so it calls webhooks and aggregated APIs at their
// endpoints instead of their Services.
func command(t controlplane.Tenant, advertiseAddress string, resources controlplane.Resources) []string {
	reading, writing := requestsInFlight(resources)
	issuer := controlplane.IssuerHost(t.UID, t.Spec.DNS.Domain)
	return []string{
		"kube-apiserver",
		"--advertise-address=" + advertiseAddress,
		"--allow-privileged=true",
		"--authorization-mode=Node,RBAC",
		"--client-ca-file=" + controlplane.PKIFile(v1alpha1.SecretAPIServer, "ca.crt"),
		"--enable-admission-plugins=NodeRestriction",
		"--enable-aggregator-routing=true",
		"--enable-bootstrap-token-auth=true",
		fmt.Sprintf("--etcd-servers=https://%s:%d", t.ServiceHost(controlplane.EtcdClientService), controlplane.EtcdClientPort),
		"--etcd-cafile=" + controlplane.PKIFile(v1alpha1.SecretAPIServerEtcdClient, "ca.crt"),
		"--etcd-certfile=" + controlplane.PKIFile(v1alpha1.SecretAPIServerEtcdClient, corev1.TLSCertKey),
		"--etcd-keyfile=" + controlplane.PKIFile(v1alpha1.SecretAPIServerEtcdClient, corev1.TLSPrivateKeyKey),
		"--kubelet-client-certificate=" + controlplane.PKIFile(v1alpha1.SecretAPIServerKubeletClient, corev1.TLSCertKey),
		"--kubelet-client-key=" + controlplane.PKIFile(v1alpha1.SecretAPIServerKubeletClient, corev1.TLSPrivateKeyKey),
		// Guests serve with certificates that the tenant's own CA has signed.
		"--kubelet-certificate-authority=" + controlplane.PKIFile(v1alpha1.SecretAPIServer, "ca.crt"),
		"--kubelet-preferred-address-types=InternalIP",
		fmt.Sprintf("--max-mutating-requests-inflight=%d", writing),
		fmt.Sprintf("--max-requests-inflight=%d", reading),
		"--profiling=false",
		"--proxy-client-cert-file=" + controlplane.PKIFile(v1alpha1.SecretFrontProxyClient, corev1.TLSCertKey),
		"--proxy-client-key-file=" + controlplane.PKIFile(v1alpha1.SecretFrontProxyClient, corev1.TLSPrivateKeyKey),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-client-ca-file=" + controlplane.PKIFile(v1alpha1.SecretFrontProxyClient, "ca.crt"),
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-username-headers=X-Remote-User",
		fmt.Sprintf("--secure-port=%d", v1alpha1.APIServerPort),
		// The first issues tokens. The second is where programs expect the issuer: what asks for tokens of that audience
		// gets them, and those that were issued under that name stay valid.
		"--service-account-issuer=https://" + issuer,
		"--service-account-issuer=https://" + controlplane.KubernetesServiceHost(t.Spec.DNS.Domain),
		"--service-account-jwks-uri=https://" + issuer + "/openid/v1/jwks",
		"--service-account-key-file=" + controlplane.PKIFile(v1alpha1.SecretServiceAccount, "sa.pub"),
		"--service-account-signing-key-file=" + controlplane.PKIFile(v1alpha1.SecretServiceAccount, "sa.key"),
		"--service-cluster-ip-range=" + string(t.Spec.Network.ServiceCIDR),
		"--tls-cert-file=" + controlplane.PKIFile(v1alpha1.SecretAPIServer, corev1.TLSCertKey),
		"--tls-private-key-file=" + controlplane.PKIFile(v1alpha1.SecretAPIServer, corev1.TLSPrivateKeyKey),
	}
}

// requestsInFlight are how many requests an API server works on at once, reads
// and writes, in proportion to its memory; the rest wait in the queues of API
// Priority and Fairness. A body has up to 3 MiB and takes some 10 MiB while it
// is decoded and stored, so 50 writes fill half a gibibyte. Kubernetes' defaults
// are 400 and 200, and what kube-up gives its largest is 3000 and 1000
// (cluster/gce/gci/configure-kubeapiserver.sh of v1.36).
func requestsInFlight(resources controlplane.Resources) (reading, writing int64) {
	const gibibyte = 1 << 30
	writing = resources.Limits.Memory().Value() * 50 / gibibyte
	writing = min(max(writing, 20), 1000)
	return 2 * writing, writing
}

// ServingNames are all names and addresses under which API servers are found.
// The addresses of replicas that are not there yet are among them, so that
// adding one needs no new certificate.
func ServingNames(t controlplane.Tenant, external ...string) (dnsNames, addresses []string, err error) {
	if t.UID == "" {
		return nil, nil, fmt.Errorf("TenantCluster %s has no UID to name its issuer after", t.Name)
	}
	service := controlplane.APIServer
	dnsNames = []string{
		service, service + "." + t.HostedNamespace, t.ServiceHost(service),
		"kubernetes", "kubernetes.default", "kubernetes.default.svc",
		controlplane.KubernetesServiceHost(t.Spec.DNS.Domain), controlplane.IssuerHost(t.UID, t.Spec.DNS.Domain),
	}
	kubernetes, err := v1alpha1.KubernetesServiceAddress(t.Spec.Network.ServiceCIDR)
	if err != nil {
		return nil, nil, fmt.Errorf("address of the kubernetes Service: %w", err)
	}
	addresses = []string{kubernetes.String()}
	for n := range MaxReplicas {
		address, err := v1alpha1.APIServerAddress(t.Spec.Network.NodeCIDR, n)
		if err != nil {
			return nil, nil, fmt.Errorf("address of API server %d: %w", n, err)
		}
		addresses = append(addresses, address.String())
	}
	for _, name := range external {
		name = strings.TrimSuffix(name, ".")
		if _, err := netip.ParseAddr(name); err == nil {
			addresses = append(addresses, name)
		} else if name != "" {
			dnsNames = append(dnsNames, name)
		}
	}
	return unique(dnsNames), unique(addresses), nil
}

// unique keeps the first of equal entries.
func unique(entries []string) []string {
	seen := map[string]bool{}
	var result []string
	for _, entry := range entries {
		if !seen[entry] {
			seen[entry] = true
			result = append(result, entry)
		}
	}
	return result
}
