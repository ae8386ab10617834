package desired_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/children"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/desired"
	"slipway.dev/operators/cluster/observed"
)

var config = desired.Config{
	Images: controlplane.Images{Registry: "registry.example.com", EtcdTag: "v3", CoreDNSTag: "v1"}, ExposureHost: "192.0.2.1",
}

// tenant is one whose namespace was just made.
func tenant() *observed.Tenant {
	cluster := &v1alpha1.TenantCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "demo", UID: "uid"},
		Spec: v1alpha1.TenantClusterSpec{
			Version:      "v1.36.3",
			ControlPlane: v1alpha1.ControlPlane{Replicas: 1, Etcd: v1alpha1.Etcd{Replicas: 1, Storage: resource.MustParse("2Gi")}},
			Network:      v1alpha1.ClusterNetwork{PodCIDR: "10.244.0.0/16", ServiceCIDR: "10.96.0.0/16", NodeCIDR: "10.200.0.0/24", CNI: v1alpha1.CNIBridge},
			Exposure:     v1alpha1.Exposure{Type: v1alpha1.ExposureNodePort},
			DNS:          v1alpha1.ClusterDNS{Domain: "cluster.local"},
		},
	}
	return &observed.Tenant{
		Identity: observed.IdentityOf(cluster), Cluster: cluster,
		Namespace: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "hosted"}},
	}
}

func service(name, address string) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.ServiceSpec{ClusterIP: address, Ports: []corev1.ServicePort{{NodePort: 30001}}},
	}
}

func withAddresses(seen *observed.Tenant) {
	seen.Services = []*corev1.Service{service(controlplane.EtcdClientService, "10.0.0.10"), service(controlplane.APIServer, "10.0.0.11")}
}

func withPKI(seen *observed.Tenant) {
	withAddresses(seen)
	seen.PKI = &v1alpha1.TenantPKI{}
	for _, name := range []string{
		v1alpha1.SecretCA, v1alpha1.SecretEtcdServer, v1alpha1.SecretEtcdPeer, v1alpha1.SecretAPIServer,
		v1alpha1.SecretAPIServerKubeletClient, v1alpha1.SecretAPIServerEtcdClient, v1alpha1.SecretFrontProxyClient,
		v1alpha1.SecretControllerManager, v1alpha1.SecretScheduler, v1alpha1.SecretAdmin, v1alpha1.SecretServiceAccount,
	} {
		seen.PKI.Status.Secrets = append(seen.PKI.Status.Secrets, v1alpha1.IssuedSecret{Name: name, Hash: "hash"})
	}
}

func withNetwork(seen *observed.Tenant) {
	withPKI(seen)
	seen.Network = &v1alpha1.TenantNetwork{Status: v1alpha1.TenantNetworkStatus{
		Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue}},
	}}
	seen.Ports = []*v1alpha1.NetworkPort{{
		ObjectMeta: metav1.ObjectMeta{Name: "kube-apiserver-0"}, Status: v1alpha1.NetworkPortStatus{IPAddress: "10.200.0.10", MACAddress: "02:00:00:00:00:01"},
	}}
}

func set(name string, ready int32) *appsv1.StatefulSet {
	return &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: appsv1.StatefulSetStatus{ReadyReplicas: ready}}
}

func state(t *testing.T, seen *observed.Tenant) *desired.State {
	t.Helper()
	result, err := desired.Tenant(seen, config)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// written are the names of the objects of a kind.
func written(state *desired.State, kind string) []string {
	var names []string
	for _, object := range state.Objects {
		described := object.Desired.(interface {
			runtime.ApplyConfiguration
			GetKind() *string
			GetName() *string
		})
		if *described.GetKind() == kind {
			names = append(names, *described.GetName())
		}
	}
	slices.Sort(names)
	return names
}

// withAPI is a tenant whose API answers.
func withAPI(seen *observed.Tenant) {
	withNetwork(seen)
	seen.StatefulSets = []*appsv1.StatefulSet{set(controlplane.APIServer, 1)}
}

// Where images have digests, one without is not run, and what runs already is
// not written.
func TestImagesWithoutDigest(t *testing.T) {
	const digest = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	seen, pinned := tenant(), config
	withAPI(seen)
	for _, image := range []string{"etcd:v3", "kube-controller-manager:v1.36.3", "kube-apiserver:v1.35.0"} {
		if err := pinned.Images.Digests.Add(image + digest); err != nil {
			t.Fatal(err)
		}
	}
	got, err := desired.Tenant(seen, pinned)
	if err != nil {
		t.Fatal(err)
	}
	workloads := append(written(got, "StatefulSet"), written(got, "Deployment")...)
	if want := []string{controlplane.Etcd, controlplane.ControllerManager}; !slices.Equal(workloads, want) {
		t.Errorf("written are %q, want %q", workloads, want)
	}
	want := map[string]string{
		controlplane.APIServer: "image kube-apiserver:v1.36.3 has no digest in global.image.digests of the chart",
		controlplane.Scheduler: "image kube-scheduler:v1.36.3 has no digest in global.image.digests of the chart",
	}
	if diff := cmp.Diff(want, got.Waiting); diff != "" {
		t.Errorf("waiting (-want +got):\n%s", diff)
	}
}

func TestComponentsWaitForWhatTheyDependOn(t *testing.T) {
	const secrets = "TenantPKI demo: Secrets not issued yet: "
	all := []string{controlplane.Etcd, controlplane.APIServer, controlplane.ControllerManager, controlplane.Scheduler}
	for name, test := range map[string]struct {
		change  func(*observed.Tenant)
		written []string
		waiting map[string]string
	}{
		"Services without addresses": {
			change: func(*observed.Tenant) {},
			waiting: map[string]string{
				controlplane.Etcd: "Service etcd-client: no address yet", controlplane.APIServer: "Service etcd-client: no address yet",
				controlplane.ControllerManager: "Service etcd-client: no address yet", controlplane.Scheduler: "Service etcd-client: no address yet",
			},
		},
		"Secrets that are not issued": {
			change: withAddresses,
			waiting: map[string]string{
				controlplane.Etcd:              secrets + "etcd-peer, etcd-server",
				controlplane.APIServer:         secrets + "apiserver, apiserver-etcd-client, apiserver-kubelet-client, front-proxy-client, service-account",
				controlplane.ControllerManager: secrets + "ca, controller-manager, front-proxy-client, service-account",
				controlplane.Scheduler:         secrets + "scheduler",
			},
		},
		"a network that is not ready": {
			change: withPKI, written: []string{controlplane.Etcd},
			waiting: map[string]string{
				controlplane.APIServer:         "TenantNetwork demo is not ready yet",
				controlplane.ControllerManager: "StatefulSet kube-apiserver: no replica answers yet",
				controlplane.Scheduler:         "StatefulSet kube-apiserver: no replica answers yet",
			},
		},
		"a NIC without an identity": {
			change:  func(seen *observed.Tenant) { withNetwork(seen); seen.Ports[0].Status.MACAddress = "" },
			written: []string{controlplane.Etcd},
			waiting: map[string]string{
				controlplane.APIServer:         "NetworkPort kube-apiserver-0 has no address yet",
				controlplane.ControllerManager: "StatefulSet kube-apiserver: no replica answers yet",
				controlplane.Scheduler:         "StatefulSet kube-apiserver: no replica answers yet",
			},
		},
		"an API that answers": {
			change:  withAPI,
			written: all, waiting: map[string]string{},
		},
		"what runs is written whatever has become of what it started with": {
			change: func(seen *observed.Tenant) {
				withPKI(seen)
				seen.StatefulSets = []*appsv1.StatefulSet{set(controlplane.Etcd, 0), set(controlplane.APIServer, 0)}
				seen.Deployments = []*appsv1.Deployment{
					{ObjectMeta: metav1.ObjectMeta{Name: controlplane.ControllerManager}}, {ObjectMeta: metav1.ObjectMeta{Name: controlplane.Scheduler}},
				}
			},
			written: all, waiting: map[string]string{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			seen := tenant()
			test.change(seen)
			got := state(t, seen)
			workloads := append(written(got, "StatefulSet"), written(got, "Deployment")...)
			slices.Sort(workloads)
			if diff := cmp.Diff(test.written, workloads); diff != "" {
				t.Errorf("workloads (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.waiting, got.Waiting); diff != "" {
				t.Errorf("waiting (-want +got):\n%s", diff)
			}
		})
	}
}

// What is not named any more goes, and nothing else does: not while something
// that is named cannot be made.
func TestUnwanted(t *testing.T) {
	labelled := func(name, label, value string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Name: name, Labels: map[string]string{label: value}}
	}
	seen := tenant()
	seen.Cluster.Spec.NodePools = []v1alpha1.ClusterNodePool{{Name: "a"}}
	seen.Cluster.Spec.Registries = []v1alpha1.Registry{{Host: "docker.io", Endpoint: "https://m", CASecretName: "mirror"}}
	seen.Pools = []*v1alpha1.NodePool{{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, {ObjectMeta: metav1.ObjectMeta{Name: "b"}}}
	seen.Ports = []*v1alpha1.NetworkPort{
		{ObjectMeta: labelled("kube-apiserver-0", controlplane.LabelComponent, controlplane.APIServer)},
		{ObjectMeta: labelled("kube-apiserver-1", controlplane.LabelComponent, controlplane.APIServer)},
		{ObjectMeta: metav1.ObjectMeta{Name: "a-worker"}},
	}
	seen.Secrets = []*metav1.PartialObjectMetadata{
		{ObjectMeta: labelled("registry-ca-mirror", children.LabelRegistry, "true")},
		{ObjectMeta: labelled("registry-ca-other", children.LabelRegistry, "true")},
		{ObjectMeta: metav1.ObjectMeta{Name: "ca"}},
	}
	got := state(t, seen)
	var names []string
	for _, object := range got.Unwanted {
		names = append(names, object.GetName())
	}
	slices.Sort(names)
	if want := []string{"b", "kube-apiserver-1", "registry-ca-other"}; !slices.Equal(names, want) {
		t.Errorf("unwanted %q, want %q", names, want)
	}
	if want := []string{"Secret mirror of registry docker.io not found"}; !slices.Equal(got.Problems, want) {
		t.Errorf("problems %q, want %q", got.Problems, want)
	}
}
