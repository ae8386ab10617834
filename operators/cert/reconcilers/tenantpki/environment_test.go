package tenantpki

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	cmv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/testenv"
)

// environment is an API server with the operator running against it, and the
// operator's clock.
type environment struct {
	config *rest.Config
	client client.Client // without a cache
	// reports counts the statuses that the operator writes, by namespace.
	reports sync.Map
	// stopped is when the operator's clock stands still; nil while it goes.
	stopped atomic.Pointer[time.Time]
}

func (e *environment) Now() time.Time {
	if stopped := e.stopped.Load(); stopped != nil {
		return *stopped
	}
	return time.Now()
}

func (e *environment) Since(t time.Time) time.Duration { return e.Now().Sub(t) }

func newEnvironment(t *testing.T) *environment {
	t.Helper()
	config := testenv.Start(t, testenv.SlipwayCRDs(4), filepath.Join(testenv.ModuleDir(t, "github.com/cert-manager/cert-manager"), "deploy", "crds"))
	scheme := testenv.Scheme(t, corev1.AddToScheme, eventsv1.AddToScheme, rbacv1.AddToScheme, v1alpha1.AddToScheme, cmv1.AddToScheme)
	cacheOptions, err := CacheOptions()
	if err != nil {
		t.Fatal(err)
	}
	manager := testenv.Manager(t, testenv.Account(t, config, "../../../../charts/cert-operator", "cert-operator"), scheme, cacheOptions, NewCache)
	e := &environment{config: config, client: testenv.Client(t, config, scheme)}
	reconciler := &Reconciler{
		Client: countingClient{manager.GetClient(), e}, Events: Events{EventRecorder: manager.GetEventRecorder("cert-operator")}, Clock: e,
	}
	if err := reconciler.SetupWithManager(manager); err != nil {
		t.Fatal(err)
	}
	testenv.Run(t, manager)
	return e
}

// startCertManager runs the real controller until the test ends.
func (e *environment) startCertManager(t *testing.T) {
	t.Helper()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	file := clientcmdapi.NewConfig()
	file.Clusters["test"] = &clientcmdapi.Cluster{Server: e.config.Host, CertificateAuthorityData: e.config.CAData}
	file.AuthInfos["test"] = &clientcmdapi.AuthInfo{ClientCertificateData: e.config.CertData, ClientKeyData: e.config.KeyData}
	file.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: "test"}
	file.CurrentContext = "test"
	if err := clientcmd.WriteToFile(*file, kubeconfig); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "cert-manager.log"))
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(testenv.Binary(t, "cert-manager-controller"), "--kubeconfig", kubeconfig,
		"--healthz-listen-address", "127.0.0.1:0", "--metrics-listen-address", "127.0.0.1:0")
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		t.Fatalf("start cert-manager (make components builds it): %v", err)
	}
	t.Cleanup(func() {
		if err := command.Process.Kill(); err != nil {
			t.Errorf("end cert-manager: %v", err)
		}
		_ = command.Wait() // it reports the signal as an error
		if text, err := os.ReadFile(log.Name()); t.Failed() && err == nil {
			t.Logf("cert-manager:\n%s", text)
		}
	})
}

// createTenant makes the TenantPKI of a TenantCluster in namespace team.
func (e *environment) createTenant(t *testing.T, name string) *v1alpha1.TenantPKI {
	t.Helper()
	namespace := v1alpha1.HostedNamespace("team", name)
	return e.createTenantIn(t, namespace, map[string]string{
		v1alpha1.LabelTenant: namespace, v1alpha1.LabelTenantName: name, v1alpha1.LabelTenantNamespace: "team",
	})
}

func (e *environment) createTenantIn(t *testing.T, namespace string, labels map[string]string) *v1alpha1.TenantPKI {
	t.Helper()
	if err := e.client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: namespace, Labels: labels, Annotations: map[string]string{v1alpha1.AnnotationTenantUID: "uid"},
	}}); err != nil {
		t.Fatal(err)
	}
	testenv.Grant(t, e.client, namespace, v1alpha1.GrantCertOperator, v1alpha1.HostedRole(v1alpha1.GrantCertOperator))
	tenant := &v1alpha1.TenantPKI{
		ObjectMeta: metav1.ObjectMeta{Name: "demo", Namespace: namespace},
		Spec: v1alpha1.TenantPKISpec{
			APIServer: v1alpha1.SubjectAltNames{
				DNSNames:    []string{"kubernetes", "kube-apiserver." + namespace + ".svc"},
				IPAddresses: []string{"10.96.0.1", "10.0.0.10"},
			},
			Etcd: v1alpha1.SubjectAltNames{DNSNames: []string{"etcd-0.etcd." + namespace + ".svc"}},
		},
	}
	if err := e.client.Create(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	return tenant
}

// patch changes an object whatever its status has become meanwhile.
func (e *environment) patch(t *testing.T, object client.Object, change func()) {
	t.Helper()
	before := client.MergeFrom(object.DeepCopyObject().(client.Object))
	change()
	if err := e.client.Patch(t.Context(), object, before); err != nil {
		t.Fatal(err)
	}
}

// await reads the tenant until it is as wanted.
func (e *environment) await(t *testing.T, tenant *v1alpha1.TenantPKI, what string, wanted func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		if err := e.client.Get(ctx, client.ObjectKeyFromObject(tenant), tenant); err != nil {
			return false, err
		}
		return wanted(), nil
	})
	if err != nil {
		t.Fatalf("%s: %v; status is %+v", what, err, tenant.Status)
	}
}

func (e *environment) awaitReady(t *testing.T, tenant *v1alpha1.TenantPKI) {
	t.Helper()
	e.await(t, tenant, "TenantPKI becomes Ready", func() bool {
		ready := meta.FindStatusCondition(tenant.Status.Conditions, v1alpha1.ConditionReady)
		return ready != nil && ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == tenant.Generation
	})
}

// awaitEvent waits until one tells of the tenant and of a Secret, which may be none.
func (e *environment) awaitEvent(t *testing.T, tenant *v1alpha1.TenantPKI, reason, secret string) {
	t.Helper()
	e.await(t, tenant, "event "+reason+" "+secret, func() bool {
		list := &eventsv1.EventList{}
		if err := e.client.List(t.Context(), list, client.InNamespace(tenant.Namespace)); err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(list.Items, func(event eventsv1.Event) bool {
			return event.Regarding.Kind == "TenantPKI" && event.Reason == reason && event.Series == nil &&
				(secret == "" || event.Related != nil && event.Related.Name == secret)
		})
	})
}

// settled returns the hashes of a tenant of which nothing is being issued. Of a
// certificate just issued cert-manager may make another: its cache of Secrets
// can be behind its cache of Certificates, and the Secret is missing then.
func (e *environment) settled(t *testing.T, tenant *v1alpha1.TenantPKI) map[string]string {
	t.Helper()
	e.await(t, tenant, "nothing is being issued", func() bool {
		certificates := &cmv1.CertificateList{}
		if err := e.client.List(t.Context(), certificates, client.InNamespace(tenant.Namespace)); err != nil {
			t.Fatal(err)
		}
		return !slices.ContainsFunc(certificates.Items, func(certificate cmv1.Certificate) bool {
			return slices.ContainsFunc(certificate.Status.Conditions, func(condition cmv1.CertificateCondition) bool {
				return condition.Type == cmv1.CertificateConditionIssuing && condition.Status == cmmeta.ConditionTrue
			})
		})
	})
	e.awaitReady(t, tenant)
	return hashes(tenant)
}

func hashes(tenant *v1alpha1.TenantPKI) map[string]string {
	result := map[string]string{}
	for _, secret := range tenant.Status.Secrets {
		result[secret.Name] = secret.Hash
	}
	return result
}

// countingClient counts the statuses that are applied.
type countingClient struct {
	client.Client
	environment *environment
}

func (c countingClient) Status() client.SubResourceWriter {
	return countingStatus{c.Client.Status(), c.environment}
}

type countingStatus struct {
	client.SubResourceWriter
	environment *environment
}

func (c countingStatus) Apply(ctx context.Context, object runtime.ApplyConfiguration, options ...client.SubResourceApplyOption) error {
	c.environment.reportsOf(*object.(interface{ GetNamespace() *string }).GetNamespace()).Add(1)
	return c.SubResourceWriter.Apply(ctx, object, options...)
}

func (e *environment) reportsOf(namespace string) *atomic.Int64 {
	counter, _ := e.reports.LoadOrStore(namespace, new(atomic.Int64))
	return counter.(*atomic.Int64)
}
