package machine

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	kubevirtv1 "kubevirt.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/kvm/tenant"
)

// HostedNamespaceField is the index of TenantClusters by their hosted namespace.
const HostedNamespaceField = "hostedNamespace"

// concurrency is more than a few slow tenants can hold: each has two calls
// under way at most.
const concurrency = 8

// askedOtherwise leaves out updates of the status alone, which is this
// controller's: each would have it look at a Node that changes all the time again.
var askedOtherwise = predicate.Or(predicate.GenerationChangedPredicate{}, predicate.LabelChangedPredicate{}, predicate.AnnotationChangedPredicate{})

// SetupWithManager registers the controller, which fleet wakes for what
// happens in tenants.
func (r *Reconciler) SetupWithManager(ctx context.Context, manager ctrl.Manager, fleet *tenant.Fleet) error {
	err := manager.GetFieldIndexer().IndexField(ctx, &v1alpha1.TenantCluster{}, HostedNamespaceField, func(o client.Object) []string {
		return []string{v1alpha1.HostedNamespace(o.GetNamespace(), o.GetName())}
	})
	if err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(manager).Named("machine").
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrency}).
		For(&v1alpha1.Machine{}, builder.WithPredicates(askedOtherwise)).
		Owns(&v1alpha1.NetworkPort{}).
		Owns(&corev1.Secret{}).
		Owns(&kubevirtv1.VirtualMachine{}).
		Watches(&kubevirtv1.VirtualMachineInstance{}, &handler.EnqueueRequestForObject{}). // has the Machine's name
		Watches(&corev1.Secret{}, r.onInput(fleet)).
		Watches(&v1alpha1.TenantCluster{}, handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
			if o.GetDeletionTimestamp() == nil {
				return nil
			}
			return r.machinesIn(ctx, v1alpha1.HostedNamespace(o.GetNamespace(), o.GetName()))
		})).
		WatchesMetadata(&corev1.Namespace{}, r.onNamespace(fleet)).
		WatchesRawSource(source.TypedChannel(fleet.Machines, r.onTenant())).
		Complete(r)
}

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// onTenant wakes a Machine whose Node has changed, and all of a tenant that is
// reached in another way than before.
func (r *Reconciler) onTenant() handler.TypedEventHandler[types.NamespacedName, reconcile.Request] {
	return handler.TypedFuncs[types.NamespacedName, reconcile.Request]{
		GenericFunc: func(ctx context.Context, e event.TypedGenericEvent[types.NamespacedName], q queue) {
			key := e.Object
			if key.Name == "" {
				for _, request := range r.machinesIn(ctx, key.Namespace) {
					q.Add(request)
				}
				return
			}
			// A tenant may make Nodes of any name; those that have no Machine wake nobody.
			if err := r.Client.Get(ctx, key, &v1alpha1.Machine{}); err != nil {
				return
			}
			q.AddAfter(reconcile.Request{NamespacedName: key}, r.pace.wait(key, r.Clock.Now()))
		},
	}
}

// onNamespace wakes all Machines of a namespace: they may be seen before it is
// known that theirs is a hosted one. When it is gone, so is the tenant.
func (r *Reconciler) onNamespace(fleet *tenant.Fleet) handler.EventHandler {
	wake := func(ctx context.Context, namespace client.Object, q queue) {
		for _, request := range r.machinesIn(ctx, namespace.GetName()) {
			q.Add(request)
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) { wake(ctx, e.Object, q) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) { wake(ctx, e.ObjectNew, q) },
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) {
			fleet.Forget(client.ObjectKey{Namespace: e.Object.GetName(), Name: v1alpha1.SecretKVMOperatorKubeconfig})
			r.pace.forgetTenant(e.Object.GetName())
			r.shared.forget(e.Object.GetName())
			wake(ctx, e.Object, q)
		},
	}
}

// onInput wakes all Machines of a namespace when a Secret changes that they may
// be waiting for, and ends the connection to a tenant whose kubeconfig is gone.
func (r *Reconciler) onInput(fleet *tenant.Fleet) handler.EventHandler {
	wake := func(ctx context.Context, secret client.Object, q queue) {
		if owner := metav1.GetControllerOf(secret); owner != nil && owner.Kind == machineKind.Kind {
			return
		}
		for _, request := range r.machinesIn(ctx, secret.GetNamespace()) {
			q.Add(request)
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) { wake(ctx, e.Object, q) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			if e.ObjectOld.GetResourceVersion() != e.ObjectNew.GetResourceVersion() {
				wake(ctx, e.ObjectNew, q)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) {
			if e.Object.GetName() == v1alpha1.SecretKVMOperatorKubeconfig {
				fleet.Forget(client.ObjectKeyFromObject(e.Object))
			}
			wake(ctx, e.Object, q)
		},
	}
}

func (r *Reconciler) machinesIn(ctx context.Context, namespace string) []reconcile.Request {
	var machines v1alpha1.MachineList
	if err := r.Client.List(ctx, &machines, client.InNamespace(namespace)); err != nil {
		log.FromContext(ctx).Error(err, "Listing Machines")
		return nil
	}
	var requests []reconcile.Request
	for _, machine := range machines.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&machine)})
	}
	return requests
}
