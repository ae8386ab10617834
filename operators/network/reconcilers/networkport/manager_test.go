package networkport

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/testenv"
)

// slow is an API server that does not answer for one namespace.
type slow struct {
	client.Reader
	namespace string
}

func (s slow) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	var all client.ListOptions
	if all.ApplyOptions(options); all.Namespace == s.namespace {
		<-ctx.Done()
		return ctx.Err()
	}
	return s.Reader.List(ctx, list, options...)
}

// While the ports of one namespace are waited for, those of another get addresses.
func TestPortsOfOtherNamespacesDoNotWait(t *testing.T) {
	e := newEnvironment(t)
	manager := testenv.Manager(t, e.account, e.client.Scheme(), cache.Options{}, nil)
	e.start(manager.GetClient(), slow{e.reconciler.Live, tenantNamespace})
	if err := e.reconciler.SetupWithManager(manager); err != nil {
		t.Fatal(err)
	}
	testenv.Run(t, manager)
	e.network("demo", true)
	e.port("waits", "demo", "")

	other := v1alpha1.HostedNamespace("default", "other")
	must(t, e.client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: other, Annotations: map[string]string{v1alpha1.AnnotationTenantUID: "other"},
		Labels: map[string]string{v1alpha1.LabelTenant: other, v1alpha1.LabelTenantNamespace: "default", v1alpha1.LabelTenantName: "other"},
	}}))
	network := &v1alpha1.TenantNetwork{}
	must(t, e.client.Get(t.Context(), client.ObjectKey{Namespace: tenantNamespace, Name: "demo"}, network))
	status := network.Status
	network = &v1alpha1.TenantNetwork{ObjectMeta: metav1.ObjectMeta{Namespace: other, Name: "demo"}, Spec: network.Spec}
	must(t, e.client.Create(t.Context(), network))
	network.Status = status
	must(t, e.client.Status().Update(t.Context(), network))
	port := &v1alpha1.NetworkPort{
		ObjectMeta: metav1.ObjectMeta{Namespace: other, Name: "goes-on"}, Spec: v1alpha1.NetworkPortSpec{NetworkName: "demo"},
	}
	must(t, e.client.Create(t.Context(), port))
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		err := e.client.Get(ctx, client.ObjectKeyFromObject(port), port)
		return port.Status.IPAddress != "", err
	})
	if err != nil {
		t.Errorf("a port of another namespace: %v", err)
	}
}
