package children_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/children"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/controlplane/apiserver"
	"slipway.dev/operators/cluster/controlplane/controllermanager"
	"slipway.dev/operators/cluster/controlplane/controlplanetest"
	"slipway.dev/operators/cluster/controlplane/etcd"
	"slipway.dev/operators/cluster/controlplane/scheduler"
)

// Whatever is asked for fits its quota, with the workers of every pool replaced at once.
func TestQuotaHoldsWhatIsAskedFor(t *testing.T) {
	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 0))
		tenant := controlplanetest.Tenant()
		tenant.Spec.ControlPlane.Replicas = 1 + random.Int32N(apiserver.MaxReplicas)
		tenant.Spec.ControlPlane.Etcd.Replicas = 1 + 2*random.Int32N(3)
		tenant.Spec.ControlPlane.Etcd.Storage = *resource.NewQuantity(random.Int64N(1<<40), resource.BinarySI)
		for n := range random.IntN(17) {
			name := fmt.Sprint("secret-", n)
			tenant.Spec.Registries = append(tenant.Spec.Registries, v1alpha1.Registry{CASecretName: name, CredentialsSecretName: name})
		}
		var observed []v1alpha1.NodePool
		workers := 0
		for n := range random.IntN(13) {
			pool, size := v1alpha1.ClusterNodePool{Name: fmt.Sprint("pool-", n)}, random.Int32N(101)
			if random.IntN(2) == 0 {
				pool.Replicas = &size
			}
			workers += int(size)
			tenant.Spec.NodePools = append(tenant.Spec.NodePools, pool)
		}
		for n := range random.IntN(3) {
			gone := v1alpha1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("gone-", n)}}
			gone.Status.Replicas = random.Int32N(101)
			workers += int(gone.Status.Replicas)
			observed = append(observed, gone)
		}
		hard := children.ResourceQuota(tenant, observed).Spec.Hard
		for name, used := range usage(t, tenant, workers) {
			limit, bounded := (*hard)[name]
			if !bounded || limit.Cmp(used) < 0 {
				t.Errorf("seed %d: %s is bound to %s and %s are needed", seed, name, &limit, &used)
			}
		}
	}
}

// usage is what the objects of a control plane and workers come to, with two
// pods and two Secrets of each worker and a Secret beside each of the PKI.
func usage(t *testing.T, tenant controlplane.Tenant, workers int) corev1.ResourceList {
	t.Helper()
	servers, err := apiserver.StatefulSet(tenant)
	if err != nil {
		t.Fatal(err)
	}
	pods := *servers.Spec.Replicas + *etcd.StatefulSet(tenant).Spec.Replicas +
		*scheduler.Deployment(tenant).Spec.Replicas + *controllermanager.Deployment(tenant).Spec.Replicas
	const kubeconfigs = 5
	claims := etcd.Claims(tenant)
	var storage resource.Quantity
	for _, claim := range claims {
		storage.Add((*claim.Spec.Resources.Requests)[corev1.ResourceStorage])
	}
	number := func(n int) resource.Quantity { return *resource.NewQuantity(int64(n), resource.DecimalSI) }
	return corev1.ResourceList{
		corev1.ResourcePods:                   number(int(pods) + 2*workers),
		corev1.ResourceSecrets:                number(2*len(tenant.IssuedSecrets) + kubeconfigs + 2*len(tenant.Spec.Registries) + 2*workers),
		corev1.ResourceServices:               number(3),
		corev1.ResourceServicesNodePorts:      number(1),
		corev1.ResourceServicesLoadBalancers:  number(1),
		corev1.ResourceConfigMaps:             number(1),
		corev1.ResourcePersistentVolumeClaims: number(len(claims)),
		corev1.ResourceRequestsStorage:        storage,
	}
}

// The quota's idea of the largest pool is that of the API.
func TestQuotaKnowsTheLargestPool(t *testing.T) {
	text, err := os.ReadFile("../../../charts/slipway/crds/slipway.dev_nodepools.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct {
					OpenAPIV3Schema struct {
						Properties struct {
							Spec struct {
								Properties struct{ Replicas struct{ Maximum int64 } }
							}
						}
					}
				}
			}
		}
	}
	if err := yaml.Unmarshal(text, &crd); err != nil {
		t.Fatal(err)
	}
	pods := func(pools ...v1alpha1.ClusterNodePool) int64 {
		tenant := controlplanetest.Tenant()
		tenant.Spec.NodePools = pools
		return (*children.ResourceQuota(tenant, nil).Spec.Hard).Pods().Value()
	}
	largest := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties.Spec.Properties.Replicas.Maximum
	if got := pods(v1alpha1.ClusterNodePool{Name: "scaled"}) - pods(); got != 2*largest || largest == 0 {
		t.Errorf("room for %d pods of a pool that can be scaled to %d workers", got, largest)
	}
}
