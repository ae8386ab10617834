// Package tenant connects the operator to the APIs of its tenants and turns
// what happens there into events for its controllers.
package tenant

import (
	"context"
	"fmt"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"slipway.dev/kit/tenantapi"
	"slipway.dev/operators/kvm/drain"
)

// The Secret with the operator's kubeconfig, in the hosted namespace.
const (
	SecretName = "kvm-operator-kubeconfig"
	secretKey  = "kubeconfig"
)

// NodeNameField is the index of a tenant's pods by their Node.
const NodeNameField = "spec.nodeName"

// Request is a certificate signing request of a tenant.
type Request struct {
	Namespace string // hosted namespace
	Name      string
}

// Fleet is the operator's connections to its tenants.
type Fleet struct {
	*tenantapi.Clusters
	// Machines are those about which something happened in their tenant; an
	// empty name stands for all of the namespace.
	Machines chan event.TypedGenericEvent[types.NamespacedName]
	// Requests are certificate signing requests that appeared or changed.
	Requests chan event.TypedGenericEvent[Request]
}

// eventBuffer keeps a tenant's informers from waiting for a controller that is busy.
const eventBuffer = 256

// New makes a fleet without connections. The scheme must know core/v1 and certificates.k8s.io/v1.
func New(scheme *runtime.Scheme) *Fleet {
	f := &Fleet{
		Machines: make(chan event.TypedGenericEvent[types.NamespacedName], eventBuffer),
		Requests: make(chan event.TypedGenericEvent[Request], eventBuffer),
	}
	f.Clusters = &tenantapi.Clusters{
		Scheme: scheme,
		Cache: cache.Options{
			DefaultTransform: cache.TransformStripManagedFields(),
			ByObject: map[client.Object]cache.ByObject{
				&corev1.Pod{}:  {Transform: trimPod},
				&corev1.Node{}: {Transform: trimNode},
				&certificatesv1.CertificateSigningRequest{}: {
					Field: fields.OneTermEqualSelector("spec.signerName", certificatesv1.KubeletServingSignerName),
				},
			},
		},
		OnConnect: f.watch,
		OnReady: func(key client.ObjectKey) {
			f.Machines <- event.TypedGenericEvent[types.NamespacedName]{Object: types.NamespacedName{Namespace: key.Namespace}}
		},
	}
	return f
}

// Client is that of the tenant whose kubeconfig the Secret holds. It reads
// Nodes, Pods and kubelets' certificate signing requests from caches.
// tenantapi.ErrNotConnected is given until those are filled.
func (f *Fleet) Client(secret *corev1.Secret) (client.Client, error) {
	return f.Get(secret, secretKey)
}

// watch registers the informers of a new connection.
func (f *Fleet) watch(ctx context.Context, key client.ObjectKey, c cluster.Cluster) error {
	if err := awaitAccess(ctx, c.GetAPIReader()); err != nil {
		return err
	}
	err := c.GetFieldIndexer().IndexField(ctx, &corev1.Pod{}, NodeNameField, func(o client.Object) []string {
		return []string{o.(*corev1.Pod).Spec.NodeName}
	})
	if err != nil {
		return fmt.Errorf("index pods by node: %w", err)
	}
	for object, handler := range map[client.Object]toolscache.ResourceEventHandler{
		&corev1.Node{}: onEvery(func(o client.Object) { f.machine(ctx, key.Namespace, o.GetName()) }),
		&corev1.Pod{}:  f.podsThatLeave(ctx, key.Namespace),
		&certificatesv1.CertificateSigningRequest{}: onEvery(func(o client.Object) {
			send(ctx, f.Requests, Request{Namespace: key.Namespace, Name: o.GetName()})
		}),
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
// try again for seconds.
func awaitAccess(ctx context.Context, reader client.Reader) error {
	return wait.PollUntilContextCancel(ctx, 250*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		return reader.List(ctx, &corev1.NodeList{}, client.Limit(1)) == nil, nil
	})
}

// podsThatLeave tells of pods that ended or are gone: a drain waits for those.
func (f *Fleet) podsThatLeave(ctx context.Context, namespace string) toolscache.ResourceEventHandler {
	left := func(o any) {
		if tombstone, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
			o = tombstone.Obj
		}
		if pod, ok := o.(*corev1.Pod); ok && pod.Spec.NodeName != "" {
			f.machine(ctx, namespace, pod.Spec.NodeName)
		}
	}
	return toolscache.ResourceEventHandlerFuncs{
		UpdateFunc: func(before, after any) {
			if !drain.Ended(before.(*corev1.Pod)) && drain.Ended(after.(*corev1.Pod)) {
				left(after)
			}
		},
		DeleteFunc: left,
	}
}

func (f *Fleet) machine(ctx context.Context, namespace, name string) {
	send(ctx, f.Machines, types.NamespacedName{Namespace: namespace, Name: name})
}

func send[T any](ctx context.Context, events chan<- event.TypedGenericEvent[T], object T) {
	select {
	case events <- event.TypedGenericEvent[T]{Object: object}:
	case <-ctx.Done():
	}
}

func onEvery(do func(client.Object)) toolscache.ResourceEventHandler {
	handle := func(o any) {
		if tombstone, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
			o = tombstone.Obj
		}
		if object, ok := o.(client.Object); ok {
			do(object)
		}
	}
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc: handle, UpdateFunc: func(_, after any) { handle(after) }, DeleteFunc: handle,
	}
}
