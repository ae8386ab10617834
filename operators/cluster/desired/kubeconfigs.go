package desired

import (
	"fmt"
	"net"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/controlplane/controllermanager"
	"slipway.dev/operators/cluster/controlplane/scheduler"
	"slipway.dev/operators/cluster/kubeconfig"
	"slipway.dev/operators/cluster/observed"
)

// The user's Secret is that of Cluster API, so that tools which know it find it.
const (
	clusterAPISecretType   = corev1.SecretType("cluster.x-k8s.io/secret")
	clusterAPIClusterLabel = "cluster.x-k8s.io/cluster-name"
	clusterAPIKey          = "value"
)

// KubeconfigName is that of the Secret beside a TenantCluster.
func KubeconfigName(cluster *v1alpha1.TenantCluster) string {
	return cluster.Name + "-kubeconfig"
}

// KubeconfigKeyPairs are the Secrets, of those that are issued, whose contents
// go into kubeconfigs.
func KubeconfigKeyPairs(seen *observed.Tenant) []string {
	var names []string
	if seen.PKI == nil {
		return nil
	}
	for _, issued := range seen.PKI.Status.Secrets {
		switch issued.Name {
		case v1alpha1.SecretAdmin, v1alpha1.SecretClusterOperator, v1alpha1.SecretKVMOperator:
			names = append(names, issued.Name)
		}
	}
	return names
}

// kubeconfigs are for everybody who talks to the API server. Those of pods refer
// to the files that the pods mount, and come with what else configures them.
func (b *builder) kubeconfigs() error {
	for _, pod := range []struct {
		secret string
		user   kubeconfig.User
		more   map[string][]byte
	}{
		{controllermanager.KubeconfigSecret, mounted("system:kube-controller-manager", v1alpha1.SecretControllerManager,
			controlplane.PKIFile(v1alpha1.SecretCA, corev1.TLSCertKey)), nil},
		{scheduler.ConfigSecret, mounted("system:kube-scheduler", v1alpha1.SecretScheduler,
			controlplane.PKIFile(v1alpha1.SecretScheduler, "ca.crt")), map[string][]byte{scheduler.ConfigFileKey: scheduler.Config()}},
	} {
		if err := b.hostedKubeconfig(pod.secret, pod.user, pod.more); err != nil {
			return err
		}
	}
	for _, operator := range []struct{ keyPair, secret, user string }{
		{v1alpha1.SecretClusterOperator, v1alpha1.SecretClusterOperatorKubeconfig, v1alpha1.UserClusterOperator},
		{v1alpha1.SecretKVMOperator, v1alpha1.SecretKVMOperatorKubeconfig, v1alpha1.UserKVMOperator},
	} {
		keyPair := b.seen.KeyPairs[operator.keyPair]
		if keyPair == nil {
			continue
		}
		if err := b.hostedKubeconfig(operator.secret, issued(keyPair, operator.user), nil); err != nil {
			return err
		}
	}
	return b.userKubeconfig()
}

// name is that of the tenant in kubeconfigs.
func (b *builder) name() types.NamespacedName {
	return types.NamespacedName{Namespace: b.seen.Identity.Namespace, Name: b.seen.Name}
}

// hostedKubeconfig is a Secret in the hosted namespace.
func (b *builder) hostedKubeconfig(name string, user kubeconfig.User, more map[string][]byte) error {
	t := b.tenant
	server := "https://" + net.JoinHostPort(t.ServiceHost(controlplane.APIServer), strconv.Itoa(v1alpha1.APIServerPort))
	encoded, err := kubeconfig.Encode(b.name(), server, user)
	if err != nil {
		return err
	}
	add(b, corev1ac.Secret(name, t.HostedNamespace).
		WithLabels(map[string]string{v1alpha1.LabelTenant: t.HostedNamespace}).
		WithType(corev1.SecretTypeOpaque).
		WithData(map[string][]byte{v1alpha1.KubeconfigKey: encoded}).
		WithData(more), observed.Named(b.seen.Secrets, name))
	return nil
}

// userKubeconfig is the Secret beside the TenantCluster, with the endpoint as it
// is reached from outside.
func (b *builder) userKubeconfig() error {
	cluster := b.seen.Cluster
	name := KubeconfigName(cluster)
	if existing := b.seen.UserKubeconfig; existing != nil {
		if !metav1.IsControlledBy(existing, cluster) {
			b.Conflict = fmt.Sprintf("Secret %s exists and belongs to something else; delete or rename it", name)
			return nil
		}
		b.Kubeconfig = name
	}
	admin := b.seen.KeyPairs[v1alpha1.SecretAdmin]
	switch {
	case b.Endpoint == "":
		b.KubeconfigWaits = fmt.Sprintf("Service %s: no address from outside yet", controlplane.APIServer)
		return nil
	case admin == nil:
		b.KubeconfigWaits = fmt.Sprintf("Secret %s is not there yet", v1alpha1.SecretAdmin)
		return nil
	}
	encoded, err := kubeconfig.Encode(b.name(), b.Endpoint, issued(admin, "kubernetes-admin"))
	if err != nil {
		return err
	}
	b.Kubeconfig = name
	add(b, corev1ac.Secret(name, cluster.Namespace).
		WithLabels(map[string]string{v1alpha1.LabelTenant: b.tenant.HostedNamespace, clusterAPIClusterLabel: cluster.Name}).
		WithOwnerReferences(metav1ac.OwnerReference().
			WithAPIVersion(v1alpha1.GroupVersion.String()).WithKind("TenantCluster").
			WithName(cluster.Name).WithUID(cluster.UID).WithController(true)).
		WithType(clusterAPISecretType).
		WithData(map[string][]byte{clusterAPIKey: encoded}), b.seen.UserKubeconfig)
	return nil
}

func mounted(user, secret, caFile string) kubeconfig.User {
	return kubeconfig.User{
		Name:            user,
		CertificateFile: controlplane.PKIFile(secret, corev1.TLSCertKey),
		KeyFile:         controlplane.PKIFile(secret, corev1.TLSPrivateKeyKey),
		CAFile:          caFile,
	}
}

// issued is the user of a key pair that the cert-operator has issued.
func issued(secret *corev1.Secret, user string) kubeconfig.User {
	return kubeconfig.User{
		Name:        user,
		Certificate: secret.Data[corev1.TLSCertKey],
		Key:         secret.Data[corev1.TLSPrivateKeyKey],
		CA:          secret.Data["ca.crt"],
	}
}
