package tenantcluster

import (
	"context"
	"fmt"
	"net"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/controlplane/controllermanager"
	"slipway.dev/operators/cluster/controlplane/scheduler"
	"slipway.dev/operators/cluster/kubeconfig"
)

// The user's Secret is that of Cluster API, so that tools which know it find it.
const (
	clusterAPISecretType   = corev1.SecretType("cluster.x-k8s.io/secret")
	clusterAPIClusterLabel = "cluster.x-k8s.io/cluster-name"
	clusterAPIKey          = "value"
)

// planKubeconfigs adds a kubeconfig for everybody who talks to the API server.
// Those of pods refer to the files that the pods mount, and come with what else
// configures them.
func (r *Reconciler) planKubeconfigs(ctx context.Context, seen *observation, wanted *plan) error {
	t := wanted.tenant
	server := "https://" + net.JoinHostPort(t.ServiceHost(controlplane.APIServer), strconv.Itoa(v1alpha1.APIServerPort))
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
		encoded, err := kubeconfig.Encode(t.Name, server, pod.user)
		if err != nil {
			return err
		}
		wanted.add(kubeconfigSecret(t, pod.secret, encoded).WithData(pod.more))
	}

	admin, err := r.issuedUser(ctx, t, v1alpha1.SecretAdmin, "kubernetes-admin")
	if err != nil {
		return err
	}
	own, err := r.issuedUser(ctx, t, v1alpha1.SecretClusterOperator, "slipway:cluster-operator")
	if err != nil {
		return err
	}
	kvm, err := r.issuedUser(ctx, t, v1alpha1.SecretKVMOperator, "slipway:kvm-operator")
	if err != nil {
		return err
	}
	if kvm != nil {
		encoded, err := kubeconfig.Encode(t.Name, server, *kvm)
		if err != nil {
			return err
		}
		wanted.add(kubeconfigSecret(t, v1alpha1.SecretKVMOperatorKubeconfig, encoded))
	}
	if own != nil {
		if wanted.ownKubeconfig, err = kubeconfig.Encode(t.Name, server, *own); err != nil {
			return err
		}
		wanted.add(kubeconfigSecret(t, v1alpha1.SecretClusterOperatorKubeconfig, wanted.ownKubeconfig))
	}
	if admin == nil {
		return nil
	}
	return r.planUserKubeconfig(seen, wanted, *admin)
}

// planUserKubeconfig adds the Secret beside the TenantCluster, with the
// endpoint as it is reached from outside.
func (r *Reconciler) planUserKubeconfig(seen *observation, wanted *plan, admin kubeconfig.User) error {
	wanted.endpoint = r.endpoint(seen, wanted.tenant)
	if wanted.endpoint == "" {
		return nil
	}
	name := kubeconfigName(seen.cluster)
	if existing := seen.userKubeconfig; existing != nil && !metav1.IsControlledBy(existing, seen.cluster) {
		wanted.wait("Secret %s exists and belongs to something else; delete or rename it", name)
		return nil
	}
	encoded, err := kubeconfig.Encode(seen.cluster.Name, wanted.endpoint, admin)
	if err != nil {
		return err
	}
	wanted.kubeconfig = name
	wanted.add(corev1ac.Secret(name, seen.cluster.Namespace).
		WithLabels(map[string]string{v1alpha1.LabelTenant: seen.hosted, clusterAPIClusterLabel: seen.cluster.Name}).
		WithOwnerReferences(metav1ac.OwnerReference().
			WithAPIVersion(v1alpha1.GroupVersion.String()).WithKind("TenantCluster").
			WithName(seen.cluster.Name).WithUID(seen.cluster.UID).WithController(true)).
		WithType(clusterAPISecretType).
		WithData(map[string][]byte{clusterAPIKey: encoded}))
	return nil
}

func kubeconfigSecret(t controlplane.Tenant, name string, encoded []byte) *corev1ac.SecretApplyConfiguration {
	return corev1ac.Secret(name, t.HostedNamespace).
		WithLabels(map[string]string{v1alpha1.LabelTenant: t.HostedNamespace}).
		WithType(corev1.SecretTypeOpaque).
		WithData(map[string][]byte{v1alpha1.KubeconfigKey: encoded})
}

func mounted(user, secret, caFile string) kubeconfig.User {
	return kubeconfig.User{
		Name:            user,
		CertificateFile: controlplane.PKIFile(secret, corev1.TLSCertKey),
		KeyFile:         controlplane.PKIFile(secret, corev1.TLSPrivateKeyKey),
		CAFile:          caFile,
	}
}

// issuedUser reads a key pair that the cert-operator has issued; nil before.
func (r *Reconciler) issuedUser(ctx context.Context, t controlplane.Tenant, name, user string) (*kubeconfig.User, error) {
	if _, issued := t.IssuedSecrets[name]; !issued {
		return nil, nil
	}
	secret := &corev1.Secret{}
	if err := r.Live.Get(ctx, client.ObjectKey{Namespace: t.HostedNamespace, Name: name}, secret); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("get Secret %s: %w", name, err)
	}
	return &kubeconfig.User{
		Name:        user,
		Certificate: secret.Data[corev1.TLSCertKey],
		Key:         secret.Data[corev1.TLSPrivateKeyKey],
		CA:          secret.Data["ca.crt"],
	}, nil
}
