// Package tenantnetwork gives every TenantNetwork its identifier, gateway and
// attachment definition, and takes them back when it goes.
package tenantnetwork

import (
	"context"
	"errors"
	"fmt"

	nadv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/conditions"
	"slipway.dev/kit/finalizer"
	"slipway.dev/kit/namespace"
	"slipway.dev/operators/network/allocation"
	"slipway.dev/operators/network/hosted"
)

// Owner of the fields that this controller writes.
const Owner client.FieldOwner = "network-operator"

// Finalizer keeps a TenantNetwork until its ports and nodes are done with it.
const Finalizer = "slipway.dev/network-operator"

// Reconciler brings networks up and down.
type Reconciler struct {
	Client client.Client
	// Live reads from the API server: whose an identifier is must not come from
	// a cache.
	Live client.Reader
	// Writer has this controller's field owner, Owner.
	Writer *apply.Writer
	Events Events
}

// SetupWithManager makes the manager run the reconciler.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("tenantnetwork").
		For(&v1alpha1.TenantNetwork{}).
		Owns(&nadv1.NetworkAttachmentDefinition{}).
		Watches(&v1alpha1.HostNetwork{}, r.hostEvents()).
		WatchesMetadata(namespace.Metadata(), handler.EnqueueRequestsFromMapFunc(r.namespaceEvents)).
		// The last port to go lets its network go.
		Watches(&v1alpha1.NetworkPort{}, handler.Funcs{DeleteFunc: networkOf}).
		WithOptions(controller.Options{MaxConcurrentReconciles: 4}).
		Complete(r)
}

// Reconcile brings one network closer to what it should be.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	seen, err := r.observe(ctx, req.NamespacedName)
	if err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if seen.Network.DeletionTimestamp != nil {
		return ctrl.Result{}, r.remove(ctx, seen)
	}
	home, err := namespace.Get(ctx, r.Client, seen.Network.Namespace)
	if err != nil || home == nil {
		return ctrl.Result{}, err // where it is not known yet, its event follows
	}
	if !v1alpha1.IsHostedNamespace(home) {
		return ctrl.Result{}, r.report(ctx, seen, allocation.KeptStatus(seen, hosted.Refusal("TenantNetwork", home.Name)))
	}
	if err := finalizer.Ensure(ctx, r.Client, &seen.Network, Finalizer); err != nil {
		return ctrl.Result{}, err
	}
	if seen.Identifier == nil {
		if seen.Identifier, err = r.claimIdentifier(ctx, seen.Network); err != nil {
			return ctrl.Result{}, err
		}
	}
	definition, err := allocation.AttachmentDefinition(seen.Network)
	if err != nil {
		return ctrl.Result{}, err
	}
	if err := r.Writer.Apply(ctx, client.ApplyConfigurationFromUnstructured(definition), seen.Definition); err != nil {
		return ctrl.Result{}, err
	}
	status, err := allocation.NetworkStatus(seen)
	if err != nil {
		return ctrl.Result{}, reconcile.TerminalError(err)
	}
	return ctrl.Result{}, r.report(ctx, seen, status)
}

// report writes a status on the version that it was decided on: what a cache
// knows late is not told again.
func (r *Reconciler) report(ctx context.Context, seen allocation.Observation, status *slipwayac.TenantNetworkStatusApplyConfiguration) error {
	network := slipwayac.TenantNetwork(seen.Network.Name, seen.Network.Namespace).
		WithResourceVersion(seen.Network.ResourceVersion).WithStatus(status)
	if err := r.Writer.ApplyStatus(ctx, network, &seen.Network); err != nil {
		return err
	}
	r.Events.reported(&seen.Network, status)
	return nil
}

func (r *Reconciler) observe(ctx context.Context, key client.ObjectKey) (allocation.Observation, error) {
	var seen allocation.Observation
	if err := r.Client.Get(ctx, key, &seen.Network); err != nil {
		return seen, err
	}
	identifier, err := r.identifierOf(ctx, seen.Network)
	if err != nil {
		return seen, err
	}
	seen.Identifier = identifier
	var hosts v1alpha1.HostNetworkList
	if err := r.Client.List(ctx, &hosts); err != nil {
		return seen, fmt.Errorf("list HostNetworks: %w", err)
	}
	seen.Hosts = hosts.Items
	var ports v1alpha1.NetworkPortList
	if err := r.Client.List(ctx, &ports, client.InNamespace(key.Namespace)); err != nil {
		return seen, fmt.Errorf("list NetworkPorts: %w", err)
	}
	for i := range ports.Items {
		if ports.Items[i].Spec.NetworkName == key.Name {
			seen.Ports = append(seen.Ports, &ports.Items[i])
		}
	}
	var definition nadv1.NetworkAttachmentDefinition
	err = r.Client.Get(ctx, key, &definition)
	if err == nil && metav1.IsControlledBy(&definition, &seen.Network) {
		seen.Definition = &definition
	}
	if client.IgnoreNotFound(err) != nil {
		return seen, fmt.Errorf("get NetworkAttachmentDefinition: %w", err)
	}
	return seen, nil
}

// identifierOf finds the number that the network has, nil when it has none. A
// network whose status is gone, as after a restore, is still named by its
// VirtualNetworkID.
func (r *Reconciler) identifierOf(ctx context.Context, network v1alpha1.TenantNetwork) (*v1alpha1.VirtualNetworkID, error) {
	if vni := network.Status.VNI; vni != nil {
		if own, err := r.ownIdentifier(ctx, network, *vni); err != nil || own != nil {
			return own, err
		}
	}
	own, err := r.ownIdentifiers(ctx, network)
	if err != nil || len(own) == 0 {
		return nil, err
	}
	return own[0], nil
}

// ownIdentifier is nil when the number is not this network's.
func (r *Reconciler) ownIdentifier(ctx context.Context, network v1alpha1.TenantNetwork, vni int32) (*v1alpha1.VirtualNetworkID, error) {
	var identifier v1alpha1.VirtualNetworkID
	err := r.Live.Get(ctx, client.ObjectKey{Name: fmt.Sprint(vni)}, &identifier)
	if apierrors.IsNotFound(err) || err == nil && !allocation.Claims(identifier, network) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("get VirtualNetworkID %d: %w", vni, err)
	}
	return &identifier, nil
}

// ownIdentifiers are all numbers that are the network's: a claim may never have
// made it into the status.
func (r *Reconciler) ownIdentifiers(ctx context.Context, network v1alpha1.TenantNetwork) ([]*v1alpha1.VirtualNetworkID, error) {
	var all v1alpha1.VirtualNetworkIDList
	if err := r.Live.List(ctx, &all); err != nil {
		return nil, fmt.Errorf("list VirtualNetworkIDs: %w", err)
	}
	var own []*v1alpha1.VirtualNetworkID
	for i := range all.Items {
		if allocation.Claims(all.Items[i], network) {
			own = append(own, &all.Items[i])
		}
	}
	return own, nil
}

// claimIdentifier takes the first number that nobody has, beginning with the one
// that the network says it has. Creating the object is the compare-and-swap.
func (r *Reconciler) claimIdentifier(ctx context.Context, network v1alpha1.TenantNetwork) (*v1alpha1.VirtualNetworkID, error) {
	for vni := range allocation.VNICandidates(string(network.UID), network.Status.VNI) {
		claim := allocation.VirtualNetworkID(network, vni)
		err := r.Client.Create(ctx, claim)
		if err == nil {
			return claim, nil
		}
		if !apierrors.IsAlreadyExists(err) {
			return nil, fmt.Errorf("create VirtualNetworkID %d: %w", vni, err)
		}
		if own, err := r.ownIdentifier(ctx, network, vni); err != nil || own != nil {
			return own, err
		}
	}
	return nil, errors.New("every VirtualNetworkID is taken")
}

// remove takes the network down: nothing new is plugged in, then every port
// goes, then every node drops the network, and only then is the number free.
func (r *Reconciler) remove(ctx context.Context, seen allocation.Observation) error {
	if seen.Definition != nil {
		if err := apply.Prune(ctx, r.Client, []*nadv1.NetworkAttachmentDefinition{seen.Definition}, sets.New[string]()); err != nil {
			return err
		}
	}
	if err := apply.Prune(ctx, r.Client, seen.Ports, sets.New[string]()); err != nil {
		return err
	}
	if blocked := allocation.Blockers(seen); blocked != "" {
		return r.report(ctx, seen, allocation.KeptStatus(seen, conditions.False(v1alpha1.ConditionReady, "Deleting", "waits for "+blocked)))
	}
	own, err := r.ownIdentifiers(ctx, seen.Network)
	if err != nil {
		return err
	}
	if err := apply.Prune(ctx, r.Client, own, sets.New[string]()); err != nil {
		return err
	}
	return finalizer.Remove(ctx, r.Client, &seen.Network, Finalizer)
}
