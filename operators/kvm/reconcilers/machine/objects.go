package machine

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/kvm/bootstrap"
	"slipway.dev/operators/kvm/virtualmachine"
)

var machineKind = v1alpha1.SchemeGroupVersion.WithKind("Machine")

// routes are the ranges behind the Machine's NIC. A tenant that brings its own
// pod network does without them.
func routes(o *observation) []v1alpha1.CIDR {
	if o.machine.Spec.Cluster.CNI != v1alpha1.CNIBridge {
		return nil
	}
	if podCIDR := o.podCIDR(); podCIDR != "" {
		return []v1alpha1.CIDR{v1alpha1.CIDR(podCIDR)}
	}
	// The Node cannot be seen: keep what was known.
	if o.node == nil && o.port != nil {
		return o.port.Spec.Routes
	}
	return nil
}

// address is the one that the Machine's NIC was once given, and empty until
// then. Asking for it makes it survive the loss of the port's status, and of the
// port: the guest has it for life.
func address(o *observation) string {
	if o.port == nil {
		return o.machine.Status.IPAddress
	}
	return cmp.Or(o.port.Status.IPAddress, o.port.Spec.IPAddress, o.machine.Status.IPAddress)
}

func networkPort(o *observation) *slipwayac.NetworkPortApplyConfiguration {
	machine := o.machine
	spec := slipwayac.NetworkPortSpec().WithNetworkName(machine.Spec.NetworkName).WithRoutes(routes(o)...)
	if known := address(o); known != "" {
		spec.WithIPAddress(known)
	}
	return slipwayac.NetworkPort(machine.Name, machine.Namespace).
		WithLabels(map[string]string{v1alpha1.LabelTenant: machine.Namespace}).
		WithOwnerReferences(metav1ac.OwnerReference().
			WithAPIVersion(machineKind.GroupVersion().String()).WithKind(machineKind.Kind).
			WithName(machine.Name).WithUID(machine.UID).WithController(true).WithBlockOwnerDeletion(true)).
		WithSpec(spec)
}

// createBootstrapSecret is done once in a Machine's life, so that what a guest
// booted with stays what it is. It creates and does not apply: a second
// attempt, by an operator that does not see the first yet, must not change the
// token that a guest may have read already.
func (r *Reconciler) createBootstrapSecret(ctx context.Context, o *observation) error {
	machine := o.machine
	token, err := bootstrap.NewToken()
	if err != nil {
		return fmt.Errorf("make bootstrap token: %w", err)
	}
	data, err := bootstrap.Build(bootstrap.Input{
		Namespace: machine.Namespace, Name: machine.Name, Pool: machine.Labels[v1alpha1.LabelPool],
		Spec: machine.Spec, Port: o.port.Status, ClusterCA: o.clusterCA, Token: token,
		Registries: o.registries, Nameservers: r.Options.Nameservers,
	})
	if errors.Is(err, bootstrap.ErrInvalidSpec) {
		o.invalid = err.Error()
		return nil // only another specification, of another Machine, helps
	}
	if err != nil {
		return fmt.Errorf("make bootstrap data: %w", err)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: bootstrap.SecretName(machine.Name), Namespace: machine.Namespace,
			Labels:          map[string]string{v1alpha1.LabelTenant: machine.Namespace},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(machine, machineKind)},
		},
		Immutable: new(true),
		Data:      bootstrap.SecretData(token, data, virtualmachine.UserDataKey, virtualmachine.NetworkDataKey),
	}
	if err := r.Client.Create(ctx, secret, Owner); err != nil {
		if apierrors.IsAlreadyExists(err) {
			return nil // its watch wakes us
		}
		return fmt.Errorf("create Secret %s: %w", secret.Name, err)
	}
	o.bootstrap = secret
	return nil
}

// applyVirtualMachine changes the template of a guest that runs, and not the
// guest: another image is that of its next start.
func (r *Reconciler) applyVirtualMachine(ctx context.Context, o *observation) error {
	if o.bootstrap == nil || o.image == "" {
		return nil
	}
	desired, err := virtualmachine.Build(virtualmachine.Input{
		Machine: o.machine, MACAddress: o.port.Status.MACAddress, SecretName: o.bootstrap.Name,
		Image: o.image, CPURequestPerCore: r.Options.GuestCPURequestPerCore, KernelArgs: r.Options.GuestKernelArgs,
	})
	if err != nil {
		return err
	}
	return r.Writer.Apply(ctx, client.ApplyConfigurationFromUnstructured(desired), o.vm)
}
