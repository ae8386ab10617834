package desired_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/children"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/controlplane/controllermanager"
	"slipway.dev/operators/cluster/controlplane/scheduler"
)

func TestObservedObjectsAreThoseOfTheSameName(t *testing.T) {
	named := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }
	seen := tenant()
	withAPI(seen)
	seen.Namespace.Name = seen.HostedNamespace()
	seen.Network.Name, seen.PKI.Name, seen.DNS = "demo", "demo", &v1alpha1.TenantDNS{ObjectMeta: named("demo")}
	seen.Cluster.Spec.NodePools = []v1alpha1.ClusterNodePool{{Name: "a"}, {Name: "b"}}
	// Never the one that is looked for alone or first.
	seen.Services = append([]*corev1.Service{service("other", ""), service(controlplane.Etcd, "None")}, seen.Services...)
	seen.StatefulSets = []*appsv1.StatefulSet{set("other", 0), set(controlplane.APIServer, 1), set(controlplane.Etcd, 1)}
	seen.Ports = append([]*v1alpha1.NetworkPort{{ObjectMeta: named("other")}}, seen.Ports...)
	for _, name := range []string{"other", "b", "a"} {
		seen.Pools = append(seen.Pools, &v1alpha1.NodePool{ObjectMeta: named(name)})
	}
	for _, name := range []string{"other", controlplane.Scheduler, controlplane.ControllerManager} {
		seen.Deployments = append(seen.Deployments, &appsv1.Deployment{ObjectMeta: named(name)})
	}
	for _, name := range []string{"other", scheduler.ConfigSecret, controllermanager.KubeconfigSecret} {
		seen.Secrets = append(seen.Secrets, &metav1.PartialObjectMetadata{ObjectMeta: named(name)})
	}
	for _, name := range []string{"other", children.Quota} {
		seen.Quotas = append(seen.Quotas, &corev1.ResourceQuota{ObjectMeta: named(name)})
	}
	// One that is there is not written.
	seen.Claims = []*corev1.PersistentVolumeClaim{{ObjectMeta: named("data-etcd-0")}}
	compared := map[string]int{}
	for _, object := range state(t, seen).Objects {
		described := object.Desired.(interface {
			GetKind() *string
			GetName() *string
		})
		if object.Observed == nil {
			t.Errorf("%s %s is compared with nothing", *described.GetKind(), *described.GetName())
			continue
		}
		if got, want := object.Observed.GetName(), *described.GetName(); got != want {
			t.Errorf("%s %s is compared with %s", *described.GetKind(), want, got)
		}
		compared[*described.GetKind()]++
	}
	want := map[string]int{
		"Namespace": 1, "Service": 3, "TenantNetwork": 1, "TenantPKI": 1, "TenantDNS": 1, "NetworkPort": 1, "NodePool": 2,
		"StatefulSet": 2, "Deployment": 2, "Secret": 2, "ResourceQuota": 1,
	}
	if diff := cmp.Diff(want, compared); diff != "" {
		t.Errorf("compared (-want +got):\n%s", diff)
	}
}

func TestNothingIsObservedWhereNothingIs(t *testing.T) {
	for _, object := range state(t, tenant()).Objects {
		if _, isNamespace := object.Observed.(*corev1.Namespace); object.Observed != nil && !isNamespace {
			t.Errorf("%T is observed where nothing is", object.Observed)
		}
	}
}
