package tenantnetwork

import (
	"context"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"slipway.dev/api/v1alpha1"
)

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// hostEvents enqueues the networks that a host's news are about: all, when
// their MTU may follow from it, else those that the host has programmed or
// dropped. A NIC that is plugged in is not news.
func (r *Reconciler) hostEvents() handler.EventHandler {
	all := func(v1alpha1.TenantNetwork) bool { return true }
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, _ event.CreateEvent, q queue) { r.enqueue(ctx, q, "", all) },
		DeleteFunc: func(ctx context.Context, _ event.DeleteEvent, q queue) { r.enqueue(ctx, q, "", all) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			before, after := e.ObjectOld.(*v1alpha1.HostNetwork), e.ObjectNew.(*v1alpha1.HostNetwork)
			if before.Spec.MTU != after.Spec.MTU {
				r.enqueue(ctx, q, "", all)
				return
			}
			if uids := changed(before.Status.Networks, after.Status.Networks); uids.Len() > 0 {
				r.enqueue(ctx, q, "", func(n v1alpha1.TenantNetwork) bool { return uids.Has(string(n.UID)) })
			}
		},
	}
}

// changed are the networks of which a host has begun to carry, or dropped, a
// generation.
func changed(before, after []v1alpha1.ProgrammedNetwork) sets.Set[string] {
	type carried struct {
		uid        string
		generation int64
	}
	was, is := sets.New[carried](), sets.New[carried]()
	for _, p := range before {
		was.Insert(carried{p.UID, p.Generation})
	}
	for _, p := range after {
		is.Insert(carried{p.UID, p.Generation})
	}
	uids := sets.New[string]()
	for c := range was.SymmetricDifference(is) {
		uids.Insert(c.uid)
	}
	return uids
}

// namespaceEvents enqueues the networks of a namespace, which count only while
// it is hosted.
func (r *Reconciler) namespaceEvents(ctx context.Context, home client.Object) []reconcile.Request {
	return r.requests(ctx, home.GetName(), func(v1alpha1.TenantNetwork) bool { return true })
}

func (r *Reconciler) enqueue(ctx context.Context, q queue, namespace string, wanted func(v1alpha1.TenantNetwork) bool) {
	for _, request := range r.requests(ctx, namespace, wanted) {
		q.Add(request)
	}
}

func (r *Reconciler) requests(ctx context.Context, namespace string, wanted func(v1alpha1.TenantNetwork) bool) []reconcile.Request {
	var networks v1alpha1.TenantNetworkList
	if err := r.Client.List(ctx, &networks, client.InNamespace(namespace)); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing TenantNetworks")
		return nil
	}
	var requests []reconcile.Request
	for i := range networks.Items {
		if wanted(networks.Items[i]) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&networks.Items[i])})
		}
	}
	return requests
}

func networkOf(_ context.Context, gone event.DeleteEvent, q queue) {
	if port, ok := gone.Object.(*v1alpha1.NetworkPort); ok {
		q.Add(reconcile.Request{NamespacedName: client.ObjectKey{Namespace: port.Namespace, Name: port.Spec.NetworkName}})
	}
}
