// Package kubeconfig writes kubeconfigs for the API of one tenant.
package kubeconfig

import (
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// User is who a kubeconfig speaks for: either a key pair in PEM, or the paths
// of the files that hold it.
type User struct {
	Name        string
	Certificate []byte
	Key         []byte
	CA          []byte

	CertificateFile string
	KeyFile         string
	CAFile          string
}

// Encode returns the kubeconfig of a user for a TenantCluster at a server, a URL.
// Its entries are named after the TenantCluster and its namespace, so that
// those of several can be merged into one file: of entries of the same name
// kubectl takes the first, and a user would meet the wrong cluster.
func Encode(tenant types.NamespacedName, server string, user User) ([]byte, error) {
	cluster := tenant.Name + "." + tenant.Namespace
	identity := user.Name + "." + cluster
	context := user.Name + "@" + cluster
	config := clientcmdapi.NewConfig()
	config.Clusters[cluster] = &clientcmdapi.Cluster{
		Server:                   server,
		CertificateAuthority:     user.CAFile,
		CertificateAuthorityData: user.CA,
	}
	config.AuthInfos[identity] = &clientcmdapi.AuthInfo{
		ClientCertificate:     user.CertificateFile,
		ClientKey:             user.KeyFile,
		ClientCertificateData: user.Certificate,
		ClientKeyData:         user.Key,
	}
	config.Contexts[context] = &clientcmdapi.Context{Cluster: cluster, AuthInfo: identity}
	config.CurrentContext = context
	encoded, err := clientcmd.Write(*config)
	if err != nil {
		return nil, fmt.Errorf("encode kubeconfig of %s: %w", context, err)
	}
	return encoded, nil
}
