// Package hosted reads, watches and removes what belongs to tenants in the
// management cluster. What goes when is decided in package deletion.
package hosted

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/lru"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/children"
	"slipway.dev/operators/cluster/desired"
	"slipway.dev/operators/cluster/observed"
)

// SecretKind is how Secrets are cached: their metadata alone.
var SecretKind = metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}

// Reader reads what there is of tenants.
type Reader struct {
	// Cache is what CacheOptions describes.
	Cache client.Reader
	// Live reads what is not cached: the contents of Secrets, and what must not be stale.
	Live client.Reader
	// large are the registries' Secrets that were too large, with their versions.
	large *lru.Cache
}

// NewReader makes a Reader.
func NewReader(cache, live client.Reader) Reader {
	return Reader{Cache: cache, Live: live, large: lru.New(rememberedSources)}
}

// Tenant reads everything that there is of a TenantCluster.
func (r Reader) Tenant(ctx context.Context, cluster *v1alpha1.TenantCluster, namespace *corev1.Namespace) (*observed.Tenant, error) {
	seen, err := r.Namespace(ctx, observed.IdentityOf(cluster), namespace)
	if err != nil {
		return nil, err
	}
	seen.Cluster = cluster
	if seen.Secrets, err = r.secrets(ctx, namespace.Name); err != nil {
		return nil, err
	}
	if seen.UserKubeconfig, err = r.metadata(ctx, cluster.Namespace, desired.KubeconfigName(cluster)); err != nil {
		return nil, err
	}
	if seen.RegistrySources, err = r.registrySources(ctx, cluster.Namespace, children.RegistrySecretNames(cluster.Spec)); err != nil {
		return nil, err
	}
	seen.KeyPairs, err = r.contents(ctx, namespace.Name, desired.KubeconfigKeyPairs(seen))
	return seen, err
}

// Namespace reads what is in a hosted namespace, from caches. Secrets are left
// out: nothing may be granted there any more.
func (r Reader) Namespace(ctx context.Context, id observed.Identity, namespace *corev1.Namespace) (*observed.Tenant, error) {
	var (
		networks     v1alpha1.TenantNetworkList
		pkis         v1alpha1.TenantPKIList
		dnses        v1alpha1.TenantDNSList
		pools        v1alpha1.NodePoolList
		ports        v1alpha1.NetworkPortList
		services     corev1.ServiceList
		statefulSets appsv1.StatefulSetList
		deployments  appsv1.DeploymentList
		pods         corev1.PodList
		claims       corev1.PersistentVolumeClaimList
		quotas       corev1.ResourceQuotaList
		events       corev1.EventList
	)
	for _, list := range []client.ObjectList{
		&networks, &pkis, &dnses, &pools, &ports, &services, &statefulSets, &deployments, &pods, &claims, &quotas, &events,
	} {
		if err := r.Cache.List(ctx, list, client.InNamespace(namespace.Name)); err != nil {
			return nil, fmt.Errorf("list %T in %s: %w", list, namespace.Name, err)
		}
	}
	return &observed.Tenant{
		Identity: id, Namespace: namespace,
		Network:  observed.Named(pointers(networks.Items), id.Name),
		PKI:      observed.Named(pointers(pkis.Items), id.Name),
		DNS:      observed.Named(pointers(dnses.Items), id.Name),
		Pools:    pointers(pools.Items),
		Ports:    pointers(ports.Items),
		Services: pointers(services.Items), StatefulSets: pointers(statefulSets.Items), Deployments: pointers(deployments.Items),
		Pods: pointers(pods.Items), Claims: pointers(claims.Items), Quotas: pointers(quotas.Items),
		FailedCreates: slices.DeleteFunc(pointers(events.Items), func(event *corev1.Event) bool { return !failedCreates.Matches(eventFields(event)) }),
	}, nil
}

// secrets are the metadata of those of a namespace.
func (r Reader) secrets(ctx context.Context, namespace string) ([]*metav1.PartialObjectMetadata, error) {
	list := metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "SecretList"}}
	if err := r.Cache.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return nil, fmt.Errorf("list Secrets in %s: %w", namespace, err)
	}
	for n := range list.Items {
		// Lists leave it out.
		list.Items[n].TypeMeta = SecretKind
	}
	return pointers(list.Items), nil
}

// metadata of a Secret; nil when it is not there.
func (r Reader) metadata(ctx context.Context, namespace, name string) (*metav1.PartialObjectMetadata, error) {
	secret := &metav1.PartialObjectMetadata{TypeMeta: SecretKind}
	err := r.Cache.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, secret)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("get Secret %s: %w", name, err)
	}
	secret.TypeMeta = SecretKind
	return secret, nil
}

// contents of the named Secrets that are there.
func (r Reader) contents(ctx context.Context, namespace string, names []string) (map[string]*corev1.Secret, error) {
	found := map[string]*corev1.Secret{}
	for _, name := range names {
		secret := &corev1.Secret{}
		err := r.Live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, secret)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("get Secret %s: %w", name, err)
		}
		found[name] = secret
	}
	return found, nil
}

func pointers[T any](values []T) []*T {
	result := make([]*T, len(values))
	for n := range values {
		result[n] = &values[n]
	}
	return result
}
