// Package kubeconfig writes kubeconfigs for the API of one tenant.
package kubeconfig

import (
	"fmt"

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

// Encode gives the kubeconfig of a user for one cluster at a server, a URL.
func Encode(cluster, server string, user User) ([]byte, error) {
	config := clientcmdapi.NewConfig()
	config.Clusters[cluster] = &clientcmdapi.Cluster{
		Server:                   server,
		CertificateAuthority:     user.CAFile,
		CertificateAuthorityData: user.CA,
	}
	config.AuthInfos[user.Name] = &clientcmdapi.AuthInfo{
		ClientCertificate:     user.CertificateFile,
		ClientKey:             user.KeyFile,
		ClientCertificateData: user.Certificate,
		ClientKeyData:         user.Key,
	}
	context := user.Name + "@" + cluster
	config.Contexts[context] = &clientcmdapi.Context{Cluster: cluster, AuthInfo: user.Name}
	config.CurrentContext = context
	encoded, err := clientcmd.Write(*config)
	if err != nil {
		return nil, fmt.Errorf("encode kubeconfig of %s: %w", context, err)
	}
	return encoded, nil
}
