// Package bootstrap makes the cloud-init data that turns a guest into a Node.
// It does no I/O and its results hold credentials: they are never logged.
package bootstrap

import (
	"fmt"
	"net/netip"
	"path"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/guest/contract"
)

// Input is what a guest's bootstrap data is made from.
type Input struct {
	Namespace string // hosted namespace
	Name      string // of the Machine, and of its Node
	Pool      string
	Spec      v1alpha1.MachineSpec
	Port      v1alpha1.NetworkPortStatus
	// ClusterCA is the PEM certificate that the tenant's API server is verified with.
	ClusterCA []byte
	Token     Token
	// Registries in the order of the specification.
	Registries []Registry
	// Nameservers of the guest, for its own look-ups and those of pods outside the cluster's domain.
	Nameservers []netip.Addr
}

// Registry is a registry of the specification with what its Secrets hold.
type Registry struct {
	Host     string
	Endpoint string
	CA       []byte // PEM; empty when the endpoint's certificate is signed by a public CA
	Username string // empty without credentials
	Password string
}

// Data is the content of the two files of a NoCloud data source.
type Data struct {
	UserData    []byte
	NetworkData []byte
}

// file is written by cloud-init before containerd and the kubelet start.
type file struct {
	path    string
	mode    string
	content string
}

const (
	private = "0600"
	public  = "0644"
)

// Build makes the bootstrap data of one machine. It returns an ErrInvalidSpec
// when the specification would be read as something else in the guest.
func Build(in Input) (Data, error) {
	if err := validate(in); err != nil {
		return Data{}, err
	}
	address, err := nodeAddress(in)
	if err != nil {
		return Data{}, err
	}
	files := []file{
		{contract.ClusterCA, public, string(in.ClusterCA)},
		{contract.KubeletEnv, public, kubeletEnv(in, address)},
	}
	for _, document := range []struct {
		path, mode string
		content    any
	}{
		{contract.BootstrapKubeconfig, private, bootstrapKubeconfig(in)},
		{contract.KubeletConfig, public, kubeletConfig(in)},
		{contract.KubeProxyConfig, public, kubeProxyConfig(in)},
		{contract.KubeProxyKubeconfig, public, kubeProxyKubeconfig(in)},
	} {
		content, err := toYAML(document.content)
		if err != nil {
			return Data{}, fmt.Errorf("encode %s: %w", path.Base(document.path), err)
		}
		files = append(files, file{document.path, document.mode, content})
	}
	if in.Spec.Cluster.CNI == v1alpha1.CNIBridge {
		files = append(files, file{contract.CNITemplate, public, cniTemplate(in)})
	}
	for _, registry := range in.Registries {
		files = append(files, registryFiles(registry)...)
	}
	userData, err := cloudConfig(in, files)
	if err != nil {
		return Data{}, err
	}
	networkData, err := networkConfig(in, address)
	if err != nil {
		return Data{}, err
	}
	return Data{UserData: userData, NetworkData: networkData}, nil
}
