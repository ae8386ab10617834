package tenantetcd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strconv"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/controlplane/etcd/maintenance"
	"slipway.dev/operators/cluster/etcdapi"
	"slipway.dev/operators/cluster/observed"
)

// seat is the place of a member: the name of its pod, and where that is reached
// or why it is not.
type seat struct {
	name, address, problem string
}

// seats of a tenant's members; none before there is an etcd. A member is reached
// at its pod's address: not all of them are behind the Service of clients.
func (r *Reconciler) seats(ctx context.Context, cluster *v1alpha1.TenantCluster, hosted string) ([]seat, error) {
	namespace := &corev1.Namespace{}
	err := r.client.Get(ctx, client.ObjectKey{Name: hosted}, namespace)
	if err != nil || !observed.IdentityOf(cluster).Owns(namespace) {
		return nil, client.IgnoreNotFound(err)
	}
	set := &appsv1.StatefulSet{}
	if err := r.client.Get(ctx, client.ObjectKey{Namespace: hosted, Name: controlplane.Etcd}, set); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	pods := &corev1.PodList{}
	if err := r.client.List(ctx, pods, client.InNamespace(hosted), client.MatchingLabels{controlplane.LabelComponent: controlplane.Etcd}); err != nil {
		return nil, fmt.Errorf("list pods: %w", err)
	}
	seats := make([]seat, cluster.Spec.ControlPlane.Etcd.Replicas)
	for n := range seats {
		seats[n] = place(fmt.Sprintf("%s-%d", controlplane.Etcd, n), pods.Items)
	}
	return seats, nil
}

func place(name string, pods []corev1.Pod) seat {
	for _, pod := range pods {
		switch {
		case pod.Name != name:
			continue
		case pod.DeletionTimestamp != nil || pod.Status.Phase != corev1.PodRunning || pod.Status.PodIP == "":
			return seat{name: name, problem: "does not run"}
		default:
			return seat{name: name, address: net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(controlplane.EtcdClientPort))}
		}
	}
	return seat{name: name, problem: "is not there"}
}

// connect takes the identity of API servers, or says why it is of no use. It is
// read each time: keeping it would keep the keys of all tenants in memory.
func (r *Reconciler) connect(ctx context.Context, hosted string) (members *etcdapi.Client, unusable string, err error) {
	const name = v1alpha1.SecretAPIServerEtcdClient
	secret := &corev1.Secret{}
	err = r.live.Get(ctx, client.ObjectKey{Namespace: hosted, Name: name}, secret)
	if apierrors.IsNotFound(err) {
		return nil, "Secret " + name + ": is not there", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("get Secret %s: %w", name, err)
	}
	pair, err := tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
	authorities := x509.NewCertPool()
	if err != nil || !authorities.AppendCertsFromPEM(secret.Data["ca.crt"]) {
		return nil, "Secret " + name + ": has no key pair and authority that can be used", nil
	}
	return etcdapi.New(&tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, RootCAs: authorities,
		// Certificates of members have this name in common, and no addresses of pods.
		ServerName: controlplane.Tenant{HostedNamespace: hosted}.ServiceHost(controlplane.EtcdClientService),
	}, r.dial), "", nil
}

// ask all members at once, so that it takes as long as the slowest does.
func ask(ctx context.Context, client *etcdapi.Client, seats []seat) []maintenance.Member {
	members := make([]maintenance.Member, len(seats))
	var group sync.WaitGroup
	for n, s := range seats {
		members[n] = maintenance.Member{Name: s.name, Problem: s.problem}
		if s.problem == "" {
			group.Go(func() { members[n] = askOne(ctx, client, s) })
		}
	}
	group.Wait()
	return members
}

func askOne(ctx context.Context, client *etcdapi.Client, s seat) maintenance.Member {
	status, err := client.Status(ctx, s.address)
	if err != nil {
		// How a member does not answer differs from one time to the next, and would be written each time.
		log.FromContext(ctx).Info("Member of etcd does not answer", "pod", s.name, "reason", err.Error())
		return maintenance.Member{Name: s.name, Problem: "does not answer"}
	}
	member := maintenance.Member{
		Name: s.name, Leader: status.Leader, NoSpace: status.NoSpace, Corrupt: status.Corrupt,
		Size: status.Size, InUse: status.InUse, Quota: status.Quota, Revision: status.Revision,
	}
	if !status.HasLeader {
		member.Problem = "knows no leader of etcd"
	}
	return member
}
