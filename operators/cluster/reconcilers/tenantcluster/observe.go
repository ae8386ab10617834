package tenantcluster

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/children"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/report"
)

// observation is everything that is there of one tenant.
type observation struct {
	cluster   *v1alpha1.TenantCluster
	hosted    string
	network   *v1alpha1.TenantNetwork
	pki       *v1alpha1.TenantPKI
	dns       *v1alpha1.TenantDNS
	pools     []v1alpha1.NodePool
	ports     []v1alpha1.NetworkPort
	services  []corev1.Service
	secrets   []metav1.PartialObjectMetadata
	workloads report.Workloads
	// userKubeconfig is the Secret beside the TenantCluster.
	userKubeconfig *metav1.PartialObjectMetadata
	// index of all of these by kind and name.
	index map[string]client.Object
}

// secretKind is how Secrets are cached: their metadata alone.
var secretKind = metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}

func kubeconfigName(cluster *v1alpha1.TenantCluster) string {
	return cluster.Name + "-kubeconfig"
}

// ensureNamespace creates the hosted namespace. A namespace of that name that
// belongs to somebody else is a conflict, which the returned text explains.
func (r *Reconciler) ensureNamespace(ctx context.Context, cluster *v1alpha1.TenantCluster) (namespace *corev1.Namespace, conflict string, err error) {
	name := v1alpha1.HostedNamespace(cluster.Namespace, cluster.Name)
	namespace = &corev1.Namespace{}
	err = r.Client.Get(ctx, client.ObjectKey{Name: name}, namespace)
	if apierrors.IsNotFound(err) {
		wanted := children.Namespace(cluster)
		namespace = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: wanted.Labels, Annotations: wanted.Annotations}}
		// Creating, and not applying, so that a foreign namespace is not taken over.
		if err = r.Client.Create(ctx, namespace, owner); apierrors.IsAlreadyExists(err) {
			err = r.Live.Get(ctx, client.ObjectKey{Name: name}, namespace)
		}
	}
	if err != nil {
		return nil, "", fmt.Errorf("make namespace %s: %w", name, err)
	}
	switch {
	case !ours(namespace, cluster):
		return nil, fmt.Sprintf("Namespace %s exists and belongs to something else; delete it, or choose another name for the TenantCluster", name), nil
	case namespace.DeletionTimestamp != nil:
		return nil, fmt.Sprintf("Namespace %s is being deleted; the TenantCluster continues when it is gone", name), nil
	}
	return namespace, "", nil
}

// ours tells whether a namespace was made for this very TenantCluster.
func ours(namespace *corev1.Namespace, cluster *v1alpha1.TenantCluster) bool {
	return namespace.Annotations[v1alpha1.AnnotationTenantUID] == string(cluster.UID)
}

// observe reads everything in the hosted namespace once, from caches.
func (r *Reconciler) observe(ctx context.Context, cluster *v1alpha1.TenantCluster, namespace *corev1.Namespace) (*observation, error) {
	seen := &observation{
		cluster: cluster,
		hosted:  namespace.Name,
		index:   map[string]client.Object{indexKey("Namespace", namespace.Name): namespace},
	}
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
		secrets      = metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "SecretList"}}
	)
	lists := []client.ObjectList{&networks, &pkis, &dnses, &pools, &ports, &services, &statefulSets, &deployments, &pods, &claims, &secrets}
	for _, list := range lists {
		if err := r.Client.List(ctx, list, client.InNamespace(seen.hosted)); err != nil {
			return nil, fmt.Errorf("list %T in %s: %w", list, seen.hosted, err)
		}
	}
	seen.network = named(networks.Items, cluster.Name)
	seen.pki = named(pkis.Items, cluster.Name)
	seen.dns = named(dnses.Items, cluster.Name)
	seen.pools, seen.ports, seen.services, seen.secrets = pools.Items, ports.Items, services.Items, secrets.Items
	seen.workloads = report.Workloads{
		StatefulSets: statefulSets.Items, Deployments: deployments.Items, Pods: pods.Items, Claims: claims.Items,
	}
	addToIndex(seen.index, "TenantNetwork", networks.Items)
	addToIndex(seen.index, "TenantPKI", pkis.Items)
	addToIndex(seen.index, "TenantDNS", dnses.Items)
	addToIndex(seen.index, "NodePool", pools.Items)
	addToIndex(seen.index, "NetworkPort", ports.Items)
	addToIndex(seen.index, "Service", services.Items)
	addToIndex(seen.index, "StatefulSet", statefulSets.Items)
	addToIndex(seen.index, "Deployment", deployments.Items)
	addToIndex(seen.index, "PersistentVolumeClaim", claims.Items)
	addToIndex(seen.index, "Secret", secrets.Items)
	return seen, r.observeKubeconfig(ctx, seen)
}

func (r *Reconciler) observeKubeconfig(ctx context.Context, seen *observation) error {
	secret := &metav1.PartialObjectMetadata{TypeMeta: secretKind}
	name := kubeconfigName(seen.cluster)
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: seen.cluster.Namespace, Name: name}, secret)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("get Secret %s: %w", name, err)
	}
	seen.userKubeconfig = secret
	seen.index[indexKey("Secret", name)] = secret
	return nil
}

// service gives an observed Service, or nil.
func (o *observation) service(name string) *corev1.Service {
	return named(o.services, name)
}

// clusterIP of an observed Service; empty when it has none yet.
func (o *observation) clusterIP(name string) string {
	if service := o.service(name); service != nil {
		return service.Spec.ClusterIP
	}
	return ""
}

// has tells whether an object is there.
func (o *observation) has(kind, name string) bool {
	return o.index[indexKey(kind, name)] != nil
}

// apiServerPorts are the NetworkPorts that this operator has made; workers have theirs.
func (o *observation) apiServerPorts() []*v1alpha1.NetworkPort {
	var result []*v1alpha1.NetworkPort
	for n := range o.ports {
		if o.ports[n].Labels[controlplane.LabelComponent] == controlplane.APIServer {
			result = append(result, &o.ports[n])
		}
	}
	return result
}

func (o *observation) registryCopies() []*metav1.PartialObjectMetadata {
	var result []*metav1.PartialObjectMetadata
	for n := range o.secrets {
		if o.secrets[n].Labels[children.LabelRegistry] != "" {
			secret := o.secrets[n]
			secret.TypeMeta = secretKind
			result = append(result, &secret)
		}
	}
	return result
}

func named[T any, P interface {
	*T
	client.Object
}](items []T, name string) P {
	for n := range items {
		if P(&items[n]).GetName() == name {
			return &items[n]
		}
	}
	return nil
}

func addToIndex[T any, P interface {
	*T
	client.Object
}](index map[string]client.Object, kind string, items []T) {
	for n := range items {
		object := P(&items[n])
		index[indexKey(kind, object.GetName())] = object
	}
}
