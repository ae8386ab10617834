package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/testenv"
	"slipway.dev/operators/kvm/reconcilers/machine"
)

// operatorUser is who the operator is in the tenant, whose RBAC applies to it.
const operatorUser = "slipway:kvm-operator"

// world is a management cluster with the operator running in it, and a tenant
// cluster. Both have real API servers; the test does what KubeVirt, the other
// operators and the guest would do.
type world struct {
	management client.Client
	tenant     client.Client
	tenantREST *rest.Config
	namespace  string
	// clock is the operator's; a real one, unless it is set forward.
	clock movedClock
	// writes counts those of the operator to the management cluster.
	writes *atomic.Int64
}

// movedClock is the real one set forward: the operator's queues and its tenants
// live in real time.
type movedClock struct {
	ahead atomic.Int64 // nanoseconds
}

func (c *movedClock) Now() time.Time                  { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *movedClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

func newWorld(t *testing.T) *world {
	t.Helper()
	managementREST := testenv.Start(t, testenv.SlipwayCRDs(2), "testdata/kubevirt")
	w := &world{tenantREST: testenv.Start(t), namespace: v1alpha1.HostedNamespace("team", "demo")}
	w.management = newClient(t, managementREST)
	w.tenant = newClient(t, w.tenantREST)

	w.create(t, w.management,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team"}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: w.namespace, Labels: w.labels(), Annotations: map[string]string{v1alpha1.AnnotationTenantUID: "uid"},
		}},
		tenantCluster())
	testenv.Grant(t, w.management, w.namespace, v1alpha1.GrantKVMOperator, v1alpha1.HostedRole(v1alpha1.GrantKVMOperator))
	w.startOperator(t, managementREST)
	return w
}

// tenantCluster is unstructured to leave the defaults to the API server. It has
// a finalizer, as cluster-operator would give it.
func tenantCluster() client.Object {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": "TenantCluster",
		"metadata": map[string]any{"namespace": "team", "name": "demo", "finalizers": []any{"slipway.dev/test"}},
		"spec":     map[string]any{"version": "v1.36.3"},
	}}
}

func (w *world) startOperator(t *testing.T, config *rest.Config) {
	t.Helper()
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	account := testenv.Account(t, config, "../../charts/kvm-operator", name, "guest.nameservers={192.0.2.53}")
	w.writes = testenv.CountWrites(account)
	manager := testenv.Manager(t, account, scheme, cacheOptions(), newCache)
	options := machine.Options{
		Registry: "registry.test", GuestCPURequestPerCore: resource.MustParse("100m"), DrainTimeout: time.Minute,
		JoinTimeout: 10 * time.Minute,
	}
	if err := setup(t.Context(), manager, options, &w.clock); err != nil {
		t.Fatal(err)
	}
	testenv.Run(t, manager)
}

// connectTenant does what cluster-operator does when the tenant's API is up:
// the operator's rights in the tenant, and its kubeconfig.
func (w *world) connectTenant(t *testing.T) {
	t.Helper()
	w.create(t, w.tenant, tenantRBAC(t)...)
	w.create(t, w.tenant,
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "kubelets"}, Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{"certificates.k8s.io"}, Resources: []string{"certificatesigningrequests"}, Verbs: []string{"create", "get"},
		}}},
		roleBinding("kubelets", rbacv1.GroupKind, "system:nodes"))
	w.secret(t, v1alpha1.SecretKVMOperatorKubeconfig, map[string][]byte{"kubeconfig": kubeconfig(t, w.tenantREST)})
}

// tenantRBAC is what cluster-operator writes into every tenant, as its own
// tests have it: a right that the operator needs and does not get fails these.
func tenantRBAC(t *testing.T) []client.Object {
	t.Helper()
	file, err := os.Open("../cluster/addons/testdata/rbac.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var objects []client.Object
	for documents := utilyaml.NewYAMLOrJSONDecoder(file, 4096); ; {
		object := &unstructured.Unstructured{}
		switch err := documents.Decode(object); {
		case errors.Is(err, io.EOF):
			return objects
		case err != nil:
			t.Fatal(err)
		}
		objects = append(objects, object)
	}
}

func roleBinding(role, kind, subject string) *rbacv1.ClusterRoleBinding {
	return &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: kind, Name: subject}},
	}
}

func kubeconfig(t *testing.T, config *rest.Config) []byte {
	t.Helper()
	file := clientcmdapi.NewConfig()
	file.Clusters["t"] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	file.AuthInfos["t"] = &clientcmdapi.AuthInfo{
		ClientCertificateData: config.CertData, ClientKeyData: config.KeyData, Impersonate: operatorUser,
	}
	file.Contexts["t"] = &clientcmdapi.Context{Cluster: "t", AuthInfo: "t"}
	file.CurrentContext = "t"
	encoded, err := clientcmd.Write(*file)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func (w *world) labels() map[string]string {
	return map[string]string{
		v1alpha1.LabelTenant: w.namespace, v1alpha1.LabelTenantName: "demo", v1alpha1.LabelTenantNamespace: "team",
	}
}

func (w *world) secret(t *testing.T, name string, data map[string][]byte) {
	t.Helper()
	w.create(t, w.management, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name, Labels: w.labels()}, Data: data,
	})
}

func (w *world) create(t *testing.T, c client.Client, objects ...client.Object) {
	t.Helper()
	for _, object := range objects {
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatalf("create %T %s: %v", object, object.GetName(), err)
		}
	}
}

// nodePool is a pool whose Machines have a registry with CA and credentials.
func (w *world) nodePool(name string, replicas int32) *v1alpha1.NodePool {
	return &v1alpha1.NodePool{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name, Labels: w.labels()},
		Spec: v1alpha1.NodePoolSpec{Replicas: &replicas, Template: v1alpha1.MachineSpec{
			Version: "v1.36.3", NetworkName: "demo",
			Machine: v1alpha1.MachineSize{Cores: 2, Memory: resource.MustParse("2Gi"), Disk: resource.MustParse("10Gi")},
			Cluster: v1alpha1.MachineCluster{
				APIServer: "https://10.200.0.10:6443", DNSAddress: "10.96.0.10", DNSDomain: "cluster.local",
				PodCIDR: "10.244.0.0/16", CNI: v1alpha1.CNIBridge,
				Registries: []v1alpha1.Registry{{
					Host: "registry.test", Endpoint: "https://registry.test", CASecretName: "registry-ca", CredentialsSecretName: "registry-login",
				}},
			},
		}},
	}
}

func newClient(t *testing.T, config *rest.Config) client.Client {
	t.Helper()
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// eventually waits until check finds nothing wrong.
func eventually(t *testing.T, what string, check func(ctx context.Context) error) {
	t.Helper()
	var wrong error
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, 30*time.Second, true, func(context.Context) (bool, error) {
		wrong = check(t.Context()) // not bounded, to keep what was wrong last
		return wrong == nil, nil
	})
	if err != nil {
		t.Fatalf("%s: %v", what, errors.Join(err, wrong))
	}
}

// reads waits until the object exists and satisfies check.
func reads[T client.Object](t *testing.T, c client.Client, namespace, name string, object T, check func(T) error) T {
	t.Helper()
	eventually(t, fmt.Sprintf("%T %s", object, name), func(ctx context.Context) error {
		if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, object); err != nil {
			return err
		}
		if check == nil {
			return nil
		}
		return check(object)
	})
	return object
}

func gone(t *testing.T, c client.Client, namespace, name string, object client.Object) {
	t.Helper()
	eventually(t, fmt.Sprintf("%T %s is gone", object, name), func(ctx context.Context) error {
		err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, object)
		if err == nil {
			return errors.New("still there")
		}
		return client.IgnoreNotFound(err)
	})
}

func hasCondition(conditions []metav1.Condition, conditionType string, status metav1.ConditionStatus, reason string) error {
	c := meta.FindStatusCondition(conditions, conditionType)
	if c == nil || c.Status != status || c.Reason != reason {
		return fmt.Errorf("%s is %+v, want %s %s", conditionType, c, status, reason)
	}
	return nil
}
