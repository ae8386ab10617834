// Package pki decides which issuers, certificates and keys a tenant has, and
// what their state means. It reads and writes nothing.
package pki

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	cmv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"

	"slipway.dev/api/v1alpha1"
)

// issuerSelfSigned signs the certificate authorities. Every authority has an
// issuer of its own name.
const issuerSelfSigned = "selfsigned"

// Lifetimes: those of kubeadm, and a shorter one for what leaves the hosted
// namespace, as nobody can take back a copy of it. Renewal begins when a third
// is left, so that weeks remain in which a failing renewal can be mended.
const (
	authorityDuration = 10 * 365 * 24 * time.Hour
	leafDuration      = 365 * 24 * time.Hour
	userDuration      = 90 * 24 * time.Hour
	renewBeforeShare  = 3
)

// certificate is one key pair, named as its Secret.
type certificate struct {
	name          string
	issuer        string
	commonName    string
	organizations []string
	usages        []cmv1.KeyUsage
	duration      time.Duration
	dnsNames      []string
	ipAddresses   []string
	isCA          bool
}

var (
	// Key usages are kubeadm's (newCertConfig in its pkiutil).
	keyUsages       = []cmv1.KeyUsage{cmv1.UsageDigitalSignature, cmv1.UsageKeyEncipherment}
	authorityUsages = append(slices.Clone(keyUsages), cmv1.UsageCertSign)
	serverUsages    = append(slices.Clone(keyUsages), cmv1.UsageServerAuth)
	clientUsages    = append(slices.Clone(keyUsages), cmv1.UsageClientAuth)
	// etcd's gateway calls its own server with the server's certificate.
	peerUsages = append(slices.Clone(serverUsages), cmv1.UsageClientAuth)
)

// groupMasters may do everything, before and without any RBAC object. Only the
// cluster-operator is in it, which writes those objects; its key stays in the
// hosted namespace.
const groupMasters = "system:masters"

// plan lists the certificates of a tenant, authorities first: whatever blocks
// an authority blocks its leaves. An error says what is wrong with the spec.
func plan(spec v1alpha1.TenantPKISpec) ([]certificate, error) {
	apiServerIPs, err := addresses("spec.apiServer", spec.APIServer.IPAddresses)
	if err != nil {
		return nil, err
	}
	etcdIPs, err := addresses("spec.etcd", spec.Etcd.IPAddresses)
	if err != nil {
		return nil, err
	}
	apiServerNames, etcdNames := names(spec.APIServer.DNSNames), names(spec.Etcd.DNSNames)
	return []certificate{
		authority(v1alpha1.SecretCA, "kubernetes"),
		authority(v1alpha1.SecretEtcdCA, "etcd-ca"),
		authority(v1alpha1.SecretFrontProxyCA, "front-proxy-ca"),
		{
			name: v1alpha1.SecretEtcdServer, issuer: v1alpha1.SecretEtcdCA, commonName: "etcd-server",
			usages: peerUsages, duration: leafDuration, dnsNames: etcdNames, ipAddresses: etcdIPs,
		},
		{
			name: v1alpha1.SecretEtcdPeer, issuer: v1alpha1.SecretEtcdCA, commonName: "etcd-peer",
			usages: peerUsages, duration: leafDuration, dnsNames: etcdNames, ipAddresses: etcdIPs,
		},
		client(v1alpha1.SecretAPIServerEtcdClient, v1alpha1.SecretEtcdCA, "kube-apiserver-etcd-client"),
		{
			name: v1alpha1.SecretAPIServer, issuer: v1alpha1.SecretCA, commonName: "kube-apiserver",
			usages: serverUsages, duration: leafDuration, dnsNames: apiServerNames, ipAddresses: apiServerIPs,
		},
		client(v1alpha1.SecretAPIServerKubeletClient, v1alpha1.SecretCA, v1alpha1.UserKubeletClient),
		client(v1alpha1.SecretFrontProxyClient, v1alpha1.SecretFrontProxyCA, "front-proxy-client"),
		client(v1alpha1.SecretControllerManager, v1alpha1.SecretCA, "system:kube-controller-manager"),
		client(v1alpha1.SecretScheduler, v1alpha1.SecretCA, "system:kube-scheduler"),
		client(v1alpha1.SecretClusterOperator, v1alpha1.SecretCA, v1alpha1.UserClusterOperator, groupMasters),
		client(v1alpha1.SecretKVMOperator, v1alpha1.SecretCA, v1alpha1.UserKVMOperator),
		{
			name: v1alpha1.SecretAdmin, issuer: v1alpha1.SecretCA, commonName: "kubernetes-admin",
			organizations: []string{v1alpha1.GroupClusterAdmins}, usages: clientUsages, duration: userDuration,
		},
	}, nil
}

func authority(name, commonName string) certificate {
	return certificate{name: name, issuer: issuerSelfSigned, commonName: commonName, usages: authorityUsages, duration: authorityDuration, isCA: true}
}

func client(name, issuer, commonName string, organizations ...string) certificate {
	return certificate{name: name, issuer: issuer, commonName: commonName, organizations: organizations, usages: clientUsages, duration: leafDuration}
}

// names adds localhost, and sorts, so that the order in the spec changes nothing.
func names(given []string) []string {
	all := append(slices.Clone(given), "localhost")
	slices.Sort(all)
	return slices.Compact(all)
}

// addresses adds 127.0.0.1, sorts, and brings each address into its canonical form.
func addresses(field string, given []string) ([]string, error) {
	all := []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	for _, text := range given {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("%s.ipAddresses: %q is not an IP address", field, text)
		}
		all = append(all, addr.Unmap().WithZone(""))
	}
	slices.SortFunc(all, netip.Addr.Compare)
	result := make([]string, 0, len(all))
	for _, addr := range slices.Compact(all) {
		result = append(result, addr.String())
	}
	return result, nil
}
