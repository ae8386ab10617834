// Package tenant connects the operator to the APIs of its tenants and turns
// what happens there into events for its controllers.
package tenant

import (
	"context"
	"fmt"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/tenantapi"
)

// Fleet is the operator's connections to its tenants.
type Fleet struct {
	clusters *tenantapi.Clusters
	live     client.Reader
	// Machines are those about which something happened in their tenant; an
	// empty name stands for all of the namespace.
	Machines chan event.TypedGenericEvent[types.NamespacedName]
	// Requests are the certificate signing requests that wait for a decision.
	Requests *Requests
	// Refusals are why some of them are not approved.
	Refusals *Refusals
}

// eventBuffer keeps a tenant's informers from waiting for a controller that is busy.
const eventBuffer = 256

// New makes a fleet without connections. The scheme must know the built-in kinds;
// live reads the management cluster's Secrets.
func New(scheme *runtime.Scheme, live client.Reader) (*Fleet, error) {
	mapper, err := tenantapi.NewMapper(scheme,
		[]client.Object{&corev1.Pod{}, &corev1.Secret{}},
		[]client.Object{
			&corev1.Node{}, &certificatesv1.CertificateSigningRequest{},
			&admissionv1.ValidatingWebhookConfiguration{}, &admissionv1.MutatingWebhookConfiguration{},
		})
	if err != nil {
		return nil, fmt.Errorf("know the tenants' kinds: %w", err)
	}
	f := &Fleet{
		live:     live,
		Machines: make(chan event.TypedGenericEvent[types.NamespacedName], eventBuffer),
	}
	f.Refusals = NewRefusals(f.wake)
	f.Requests = newRequests(f.Refusals)
	f.clusters = &tenantapi.Clusters{
		Scheme: scheme,
		Mapper: mapper,
		Cache: cache.Options{ByObject: map[client.Object]cache.ByObject{
			&corev1.Node{}:    {Transform: trimNode},
			requestMetadata(): {Transform: trimRequest},
		}},
		OnConnect: f.watch,
		OnChange: func(key client.ObjectKey) {
			f.Machines <- event.TypedGenericEvent[types.NamespacedName]{Object: types.NamespacedName{Namespace: key.Namespace}}
			f.Requests.wake(key.Namespace) // they were seen before the tenant could be asked
		},
	}
	return f, nil
}

// requestMetadata is a certificate signing request of which only the metadata is
// cached: the rest can be long, and is read once, when it is decided on.
func requestMetadata() *metav1.PartialObjectMetadata {
	request := &metav1.PartialObjectMetadata{}
	request.SetGroupVersionKind(certificatesv1.SchemeGroupVersion.WithKind("CertificateSigningRequest"))
	return request
}

// Start keeps the connections until ctx ends; it makes Fleet a manager.Runnable.
func (f *Fleet) Start(ctx context.Context) error { return f.clusters.Start(ctx) }

// Tenant returns the tenant whose kubeconfig the Secret holds, of which only the
// metadata is looked at. It reads Nodes from its cache. A
// tenantapi.NotConnectedError says why it cannot be asked now.
func (f *Fleet) Tenant(ctx context.Context, kubeconfig *corev1.Secret) (*tenantapi.Tenant, error) {
	key := client.ObjectKeyFromObject(kubeconfig)
	return f.clusters.Get(key, kubeconfig.ResourceVersion, func() ([]byte, error) {
		secret := &corev1.Secret{}
		err := f.live.Get(ctx, key, secret)
		return secret.Data[v1alpha1.KubeconfigKey], err
	})
}

// Forget ends the connection to a tenant whose kubeconfig is gone.
func (f *Fleet) Forget(key client.ObjectKey) {
	f.clusters.Forget(key)
	f.Requests.forget(key.Namespace)
}

// watch registers the informers of a new connection.
func (f *Fleet) watch(ctx context.Context, key client.ObjectKey, c cluster.Cluster) error {
	if err := awaitAccess(ctx, c.GetAPIReader()); err != nil {
		return err
	}
	for object, handler := range map[client.Object]toolscache.ResourceEventHandler{
		&corev1.Node{}:    f.nodes(ctx, key.Namespace),
		requestMetadata(): f.Requests.handler(ctx, key.Namespace),
	} {
		informer, err := c.GetCache().GetInformer(ctx, object)
		if err != nil {
			return fmt.Errorf("watch %T: %w", object, err)
		}
		if _, err := informer.AddEventHandler(handler); err != nil {
			return fmt.Errorf("watch %T: %w", object, err)
		}
	}
	return nil
}

// awaitAccess waits until the tenant's RBAC lets us in. It is applied just
// after the API answers, and an informer that is refused at first would not
// try again for seconds. A tenant that takes the rights away for good is asked
// ever less often.
func awaitAccess(ctx context.Context, reader client.Reader) error {
	backoff := wait.Backoff{Duration: 250 * time.Millisecond, Factor: 1.2, Steps: 100, Cap: 15 * time.Second}
	return backoff.DelayFunc().Until(ctx, true, false, func(ctx context.Context) (bool, error) {
		return reader.List(ctx, &corev1.NodeList{}, client.Limit(1)) == nil, nil
	})
}

// wake has a Machine looked at.
func (f *Fleet) wake(ctx context.Context, machine types.NamespacedName) {
	select {
	case f.Machines <- event.TypedGenericEvent[types.NamespacedName]{Object: machine}:
	case <-ctx.Done():
	}
}

// nodes tells of Nodes that have changed in what is kept of them: a heartbeat's
// other contents are nobody's business.
func (f *Fleet) nodes(ctx context.Context, namespace string) toolscache.ResourceEventHandler {
	changed := func(o any) {
		if tombstone, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
			o = tombstone.Obj
		}
		node, ok := o.(*corev1.Node)
		if !ok {
			return
		}
		f.wake(ctx, types.NamespacedName{Namespace: namespace, Name: node.Name})
	}
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc: changed,
		UpdateFunc: func(before, after any) {
			old, current := before.(*corev1.Node), after.(*corev1.Node)
			if old.UID != current.UID || !equality.Semantic.DeepEqual(old.Spec, current.Spec) ||
				!equality.Semantic.DeepEqual(old.Status, current.Status) {
				changed(after)
			}
		},
		DeleteFunc: changed,
	}
}
