// Package children builds the custom resources by which a TenantCluster tells
// the other operators what it needs.
package children

import (
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/controlplane/apiserver"
	"slipway.dev/operators/cluster/controlplane/etcd"
)

// Namespace is the labels and annotations of a hosted namespace.
func Namespace(cluster *v1alpha1.TenantCluster) *corev1ac.NamespaceApplyConfiguration {
	hosted := v1alpha1.HostedNamespace(cluster.Namespace, cluster.Name)
	return corev1ac.Namespace(hosted).
		WithLabels(map[string]string{
			v1alpha1.LabelTenant:          hosted,
			v1alpha1.LabelTenantName:      cluster.Name,
			v1alpha1.LabelTenantNamespace: cluster.Namespace,
			// KubeVirt's virt-launcher needs more than the baseline profile allows.
			"pod-security.kubernetes.io/enforce": "privileged",
		}).
		WithAnnotations(map[string]string{v1alpha1.AnnotationTenantUID: string(cluster.UID)})
}

func labels(t controlplane.Tenant) map[string]string {
	return map[string]string{v1alpha1.LabelTenant: t.HostedNamespace}
}

// TenantNetwork asks for the tenant's overlay network.
func TenantNetwork(t controlplane.Tenant) *slipwayac.TenantNetworkApplyConfiguration {
	network := t.Spec.Network
	spec := slipwayac.TenantNetworkSpec().
		WithNodeCIDR(network.NodeCIDR).WithPodCIDR(network.PodCIDR).WithServiceCIDR(network.ServiceCIDR)
	if network.MTU != nil {
		spec.WithMTU(*network.MTU)
	}
	return slipwayac.TenantNetwork(t.Name, t.HostedNamespace).WithLabels(labels(t)).WithSpec(spec)
}

// TenantPKI asks for certificates. external are the names and addresses of the
// API outside the management cluster.
func TenantPKI(t controlplane.Tenant, external ...string) (*slipwayac.TenantPKIApplyConfiguration, error) {
	for _, name := range t.Spec.Exposure.CertSANs {
		external = append(external, string(name))
	}
	names, addresses, err := apiserver.ServingNames(t, external...)
	if err != nil {
		return nil, err
	}
	client := controlplane.EtcdClientService
	etcdNames := append([]string{client, client + "." + t.HostedNamespace, t.ServiceHost(client)}, etcd.MemberHosts(t)...)
	return slipwayac.TenantPKI(t.Name, t.HostedNamespace).WithLabels(labels(t)).
		WithSpec(slipwayac.TenantPKISpec().
			WithAPIServer(slipwayac.SubjectAltNames().WithDNSNames(names...).WithIPAddresses(addresses...)).
			WithEtcd(slipwayac.SubjectAltNames().WithDNSNames(etcdNames...))), nil
}

// TenantDNS asks for the tenant's records, at the targets.
func TenantDNS(t controlplane.Tenant, tenantNamespace string, targets []string) *slipwayac.TenantDNSApplyConfiguration {
	return slipwayac.TenantDNS(t.Name, t.HostedNamespace).WithLabels(labels(t)).
		WithSpec(slipwayac.TenantDNSSpec().
			WithTenantName(t.Name).WithTenantNamespace(tenantNamespace).
			WithAPITargets(targets...).WithAppsTargets(targets...))
}

// NetworkPorts are the NICs of the API servers. On the management side they may
// open connections to etcd only, so that a tenant cannot use an API server's
// proxy as a way into the management cluster.
func NetworkPorts(t controlplane.Tenant) ([]*slipwayac.NetworkPortApplyConfiguration, error) {
	replicas, err := apiserver.Replicas(t)
	if err != nil {
		return nil, err
	}
	etcdAddress, err := netip.ParseAddr(t.EtcdClusterIP)
	if err != nil {
		return nil, fmt.Errorf("address of Service %s: %w", controlplane.EtcdClientService, err)
	}
	etcdRange := netip.PrefixFrom(etcdAddress, etcdAddress.BitLen())
	ports := make([]*slipwayac.NetworkPortApplyConfiguration, 0, len(replicas))
	for _, replica := range replicas {
		ports = append(ports, slipwayac.NetworkPort(replica.PodName, t.HostedNamespace).
			WithLabels(t.Labels(controlplane.APIServer)).
			WithSpec(slipwayac.NetworkPortSpec().
				WithNetworkName(t.Name).
				WithPodName(replica.PodName).
				WithIPAddress(replica.Address.String()).
				WithManagementEgress(slipwayac.EgressRule().
					WithCIDR(v1alpha1.CIDR(etcdRange.String())).
					WithProtocol(string(corev1.ProtocolTCP)).
					WithPort(controlplane.EtcdClientPort))))
	}
	return ports, nil
}
