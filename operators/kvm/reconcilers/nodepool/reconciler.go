// Package nodepool keeps as many Machines as a NodePool asks for.
package nodepool

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/conditions"
	"slipway.dev/kit/finalizer"
	"slipway.dev/operators/kvm/pool"
	"slipway.dev/operators/kvm/tenant"
	"slipway.dev/operators/kvm/virtualmachine"
)

// Owner of the fields that this controller writes.
const Owner client.FieldOwner = "kvm-operator-nodepool"

// Finalizer keeps a NodePool until its Machines are gone, so that who deletes
// a pool can wait for the pool.
const Finalizer = "slipway.dev/machines"

const concurrency = 4

// Reconciler reconciles NodePools.
type Reconciler struct {
	Client client.Client
	// Live reads from the API server itself.
	Live client.Reader
	// Writer has this controller's field owner, Owner.
	Writer *apply.Writer
	Events Events
}

// SetupWithManager registers the controller.
func (r *Reconciler) SetupWithManager(manager ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(manager).Named("nodepool").
		For(&v1alpha1.NodePool{}).
		Owns(&v1alpha1.Machine{}).
		// A pool may be seen before it is known that its namespace is a hosted one.
		WatchesMetadata(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(r.poolsIn)).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrency}).
		Complete(r)
}

func (r *Reconciler) poolsIn(ctx context.Context, namespace client.Object) []reconcile.Request {
	var pools v1alpha1.NodePoolList
	if err := r.Client.List(ctx, &pools, client.InNamespace(namespace.GetName())); err != nil {
		log.FromContext(ctx).Error(err, "Listing NodePools")
		return nil
	}
	requests := make([]reconcile.Request, len(pools.Items))
	for n := range pools.Items {
		requests[n].NamespacedName = client.ObjectKeyFromObject(&pools.Items[n])
	}
	return requests
}

// Reconcile observes the Machines, plans, and creates and deletes.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	nodePool := &v1alpha1.NodePool{}
	if err := r.Client.Get(ctx, request.NamespacedName, nodePool); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	machines, err := machinesOf(ctx, r.Client, nodePool)
	if err != nil {
		return ctrl.Result{}, err
	}
	if nodePool.DeletionTimestamp != nil {
		return ctrl.Result{}, r.delete(ctx, nodePool, machines)
	}
	hosted, err := tenant.Hosted(ctx, r.Client, nodePool.Namespace)
	if err != nil {
		return ctrl.Result{}, err
	}
	if hosted == nil {
		return ctrl.Result{}, r.Writer.ApplyStatus(ctx, notHosted(nodePool), nodePool)
	}
	if err := finalizer.Ensure(ctx, r.Client, nodePool, Finalizer); err != nil {
		return ctrl.Result{}, err
	}
	hash, err := pool.Hash(nodePool.Spec.Template)
	if err != nil {
		return ctrl.Result{}, err
	}
	if !plan(nodePool, hash, machines).Empty() {
		// The cache may be behind what was done a moment ago, by this process or by one before it.
		if machines, err = machinesOf(ctx, r.Live, nodePool); err != nil {
			return ctrl.Result{}, err
		}
		err := r.execute(ctx, nodePool, hash, machines, plan(nodePool, hash, machines))
		if refusal, refused := conditions.Refusal(v1alpha1.ConditionReady, err); refused {
			return ctrl.Result{}, errors.Join(r.Writer.ApplyStatus(ctx, status(nodePool, machines, refusal), nodePool), err)
		}
		if err != nil {
			return ctrl.Result{}, err
		}
	}
	return ctrl.Result{}, r.Writer.ApplyStatus(ctx, status(nodePool, machines, readyCondition(nodePool, hash, machines)), nodePool)
}

// machinesOf are the Machines that the pool controls, whatever labels they carry now.
func machinesOf(ctx context.Context, reader client.Reader, nodePool *v1alpha1.NodePool) ([]v1alpha1.Machine, error) {
	var list v1alpha1.MachineList
	if err := reader.List(ctx, &list, client.InNamespace(nodePool.Namespace)); err != nil {
		return nil, fmt.Errorf("list Machines: %w", err)
	}
	var machines []v1alpha1.Machine
	for _, machine := range list.Items {
		if metav1.IsControlledBy(&machine, nodePool) {
			machines = append(machines, machine)
		}
	}
	return machines, nil
}

func plan(nodePool *v1alpha1.NodePool, hash string, machines []v1alpha1.Machine) pool.Plan {
	var known []pool.Machine
	for _, machine := range machines {
		known = append(known, pool.Machine{
			Name:     machine.Name,
			Created:  machine.CreationTimestamp.Time,
			Ready:    meta.IsStatusConditionTrue(machine.Status.Conditions, v1alpha1.ConditionReady),
			Deleting: machine.DeletionTimestamp != nil,
			Outdated: outdated(&machine, hash),
		})
	}
	return pool.Make(size(nodePool), known)
}

// outdated is true of a Machine made from another template, and of one whose
// management node wants to be rid of it.
func outdated(machine *v1alpha1.Machine, hash string) bool {
	return machine.Annotations[v1alpha1.AnnotationMachineHash] != hash || evacuating(machine)
}

func evacuating(machine *v1alpha1.Machine) bool {
	guest := meta.FindStatusCondition(machine.Status.Conditions, v1alpha1.ConditionGuestRunning)
	return guest != nil && guest.Reason == virtualmachine.ReasonEvacuating
}

func size(nodePool *v1alpha1.NodePool) int {
	if nodePool.Spec.Replicas == nil {
		return v1alpha1.DefaultNodeReplicas
	}
	return int(*nodePool.Spec.Replicas)
}

func (r *Reconciler) execute(ctx context.Context, nodePool *v1alpha1.NodePool, hash string, machines []v1alpha1.Machine, plan pool.Plan) error {
	taken := sets.New[string]()
	doomed := sets.New(plan.Delete...)
	for _, machine := range machines {
		taken.Insert(machine.Name)
		if doomed.Has(machine.Name) {
			if err := r.markSurplus(ctx, nodePool, &machine, hash); err != nil {
				return err
			}
			if err := r.deleteMachine(ctx, nodePool, &machine); err != nil {
				return err
			}
		}
	}
	for _, name := range pool.Names(nodePool.Name, nodePool.UID, taken, plan.Create) {
		machine := newMachine(nodePool, name, hash)
		// Create and not apply: where the Machine exists already, this must fail.
		if err := r.Client.Create(ctx, machine, Owner); err != nil {
			return fmt.Errorf("create Machine %s: %w", name, err)
		}
		r.Events.machineCreated(nodePool, machine)
	}
	return nil
}

func newMachine(nodePool *v1alpha1.NodePool, name, hash string) *v1alpha1.Machine {
	labels := map[string]string{v1alpha1.LabelTenant: nodePool.Namespace, v1alpha1.LabelPool: nodePool.Name}
	return &v1alpha1.Machine{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: nodePool.Namespace, Labels: labels,
			Annotations:     map[string]string{v1alpha1.AnnotationMachineHash: hash},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(nodePool, v1alpha1.SchemeGroupVersion.WithKind("NodePool"))},
		},
		Spec: *nodePool.Spec.Template.DeepCopy(),
	}
}

// markSurplus says of a Machine before it is deleted that none will take its
// place: nothing else tells it from one that somebody has deleted. One whose
// management node is emptied is surplus where the pool has just been made smaller;
// later it goes because another has taken its place.
func (r *Reconciler) markSurplus(ctx context.Context, nodePool *v1alpha1.NodePool, machine *v1alpha1.Machine, hash string) error {
	replaced := evacuating(machine) && nodePool.Status.ObservedGeneration == nodePool.Generation
	if replaced || unwanted(machine, hash) {
		return nil
	}
	before := machine.DeepCopy()
	machine.Annotations[v1alpha1.AnnotationMachineSurplus] = "true" // it has the hash beside it
	if err := r.Client.Patch(ctx, machine, client.MergeFrom(before), Owner); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("mark Machine %s: %w", machine.Name, err)
	}
	return nil
}

func (r *Reconciler) deleteMachine(ctx context.Context, nodePool *v1alpha1.NodePool, machine *v1alpha1.Machine) error {
	if machine.DeletionTimestamp != nil {
		return nil
	}
	err := r.Client.Delete(ctx, machine, client.Preconditions{UID: new(machine.UID)})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete Machine %s: %w", machine.Name, err)
	}
	r.Events.machineDeleted(nodePool, machine)
	return nil
}

// delete deletes all Machines and lets the pool go when they are gone.
func (r *Reconciler) delete(ctx context.Context, nodePool *v1alpha1.NodePool, machines []v1alpha1.Machine) error {
	if len(machines) == 0 {
		var err error
		if machines, err = machinesOf(ctx, r.Live, nodePool); err != nil {
			return err
		}
	}
	for _, machine := range machines {
		if err := r.deleteMachine(ctx, nodePool, &machine); err != nil {
			return err
		}
	}
	if len(machines) > 0 {
		return r.Writer.ApplyStatus(ctx, status(nodePool, machines, readyCondition(nodePool, "", machines)), nodePool)
	}
	return finalizer.Remove(ctx, r.Client, nodePool, Finalizer)
}
