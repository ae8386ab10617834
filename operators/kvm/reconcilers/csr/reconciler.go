// Package csr approves the certificates of the tenants' kubelets.
package csr

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
	"slipway.dev/kit/grants"
	"slipway.dev/kit/tenantapi"
	"slipway.dev/operators/kvm/approval"
	"slipway.dev/operators/kvm/bootstrap"
	"slipway.dev/operators/kvm/tenant"
)

const (
	concurrency = 4
	// perTurn is how many requests of a tenant are decided on before others have their turn.
	perTurn = 4
)

// Tenants are the tenants' APIs.
type Tenants interface {
	Tenant(ctx context.Context, kubeconfig *corev1.Secret) (*tenantapi.Tenant, error)
}

// Reconciler decides on certificate signing requests of tenants.
type Reconciler struct {
	Client   client.Client
	Tenants  Tenants
	Requests *tenant.Requests
	// Refusals is where Machines learn why a request of theirs is not approved.
	Refusals *tenant.Refusals
	Events   Events
}

// SetupWithManager registers the controller, whose queue has the hosted
// namespaces of tenants with requests that wait.
func (r *Reconciler) SetupWithManager(manager ctrl.Manager) error {
	c, err := controller.NewTyped("csr", manager, controller.TypedOptions[string]{
		Reconciler: r, MaxConcurrentReconciles: concurrency,
	})
	if err != nil {
		return fmt.Errorf("make controller: %w", err)
	}
	return c.Watch(source.TypedChannel(r.Requests.Events, handler.TypedEnqueueRequestsFromMapFunc(
		func(_ context.Context, namespace string) []string { return []string{namespace} },
	)))
}

// Reconcile decides on a few of a tenant's requests. What it cannot do now it
// puts back.
func (r *Reconciler) Reconcile(ctx context.Context, namespace string) (reconcile.Result, error) {
	if !r.Requests.Wait(namespace) {
		return reconcile.Result{}, nil
	}
	kubeconfig := &corev1.Secret{}
	key := types.NamespacedName{Namespace: namespace, Name: v1alpha1.SecretKVMOperatorKubeconfig}
	if err := r.Client.Get(ctx, key, kubeconfig); err != nil {
		if errors.Is(err, grants.ErrNotGranted) {
			return reconcile.Result{}, nil // the tenant goes
		}
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	c, err := r.Tenants.Tenant(ctx, kubeconfig)
	if errors.Is(err, tenantapi.ErrNotConnected) {
		return reconcile.Result{}, nil // a connection wakes those that wait
	}
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("reach tenant: %w", err)
	}
	names, more := r.Requests.Take(namespace, perTurn)
	var failed error
	for n, name := range names {
		err := r.decide(ctx, c, namespace, name)
		if after, busy := tenantapi.RetryAfter(err); busy {
			r.Requests.Return(namespace, names[n:]...)
			return reconcile.Result{RequeueAfter: after}, nil
		}
		if err != nil {
			r.Requests.Return(namespace, name)
			failed = errors.Join(failed, fmt.Errorf("decide on %s: %w", name, err))
		}
	}
	if failed != nil {
		return reconcile.Result{}, failed
	}
	if more {
		return reconcile.Result{RequeueAfter: time.Millisecond}, nil
	}
	return reconcile.Result{}, nil
}

// decide approves a request that is a Machine's own. Others are left pending,
// as Kubernetes' own approvers do: somebody else may know better.
func (r *Reconciler) decide(ctx context.Context, c *tenantapi.Tenant, namespace, name string) error {
	request := &certificatesv1.CertificateSigningRequest{}
	err := c.Do(ctx, func(ctx context.Context, live client.Client) error {
		return live.Get(ctx, types.NamespacedName{Name: name}, request)
	})
	if err != nil {
		return client.IgnoreNotFound(err)
	}
	machineName, fromKubelet := approval.MachineName(&request.Spec)
	if !fromKubelet {
		return nil
	}
	key := types.NamespacedName{Namespace: namespace, Name: machineName}
	switch {
	case is(request, certificatesv1.CertificateApproved): // by somebody else, or before a restart
		r.Refusals.Approved(ctx, key, request.Spec.SignerName)
		return nil
	case is(request, certificatesv1.CertificateDenied):
		return nil
	}
	machine := &v1alpha1.Machine{}
	err = r.Client.Get(ctx, key, machine)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("get Machine: %w", err)
	}
	if err != nil || machine.DeletionTimestamp != nil {
		log.FromContext(ctx).V(1).Info("Left pending: no Machine of that name", "CertificateSigningRequest", name)
		return nil
	}
	known, err := r.known(ctx, machine)
	if err != nil {
		return err
	}
	refusal := tenant.Refusal{Request: name, Signer: request.Spec.SignerName}
	if err := approval.Decide(&request.Spec, known); err != nil {
		r.Events.notApproved(machine, name, err)
		refusal.Message = conditions.FirstLine("CertificateSigningRequest " + name + " is left pending: " + err.Error())
		r.Refusals.Add(ctx, key, refusal)
		return nil
	}
	err = c.Do(ctx, func(ctx context.Context, live client.Client) error { return approve(ctx, live, request, machineName) })
	if refused := (*tenantapi.RefusedError)(nil); errors.As(err, &refused) {
		r.Events.notTaken(machine, refused)
		_, refusal.Message = refused.Explain()
		r.Refusals.Add(ctx, key, refusal)
	}
	if err == nil {
		r.Refusals.Approved(ctx, key, request.Spec.SignerName)
	}
	return err
}

// known is what the Machine's kubelet may claim about itself, and which token
// was made for it.
func (r *Reconciler) known(ctx context.Context, machine *v1alpha1.Machine) (approval.Machine, error) {
	address, err := netip.ParseAddr(machine.Status.IPAddress)
	if err != nil {
		return approval.Machine{}, fmt.Errorf("address of Machine %s: %w", machine.Name, err)
	}
	known := approval.Machine{Name: machine.Name, IPAddress: address}
	secret := &corev1.Secret{}
	key := types.NamespacedName{Namespace: machine.Namespace, Name: bootstrap.SecretName(machine.Name)}
	if err := r.Client.Get(ctx, key, secret); client.IgnoreNotFound(err) != nil {
		return approval.Machine{}, fmt.Errorf("get Secret %s: %w", key.Name, err)
	}
	if token, err := bootstrap.ReadToken(secret); err == nil && metav1.IsControlledBy(secret, machine) {
		known.TokenID = token.ID
	}
	return known, nil
}

func approve(ctx context.Context, c client.Client, request *certificatesv1.CertificateSigningRequest, machine string) error {
	approved := request.DeepCopy()
	approved.Status.Conditions = append(approved.Status.Conditions, certificatesv1.CertificateSigningRequestCondition{
		Type: certificatesv1.CertificateApproved, Status: corev1.ConditionTrue,
		Reason: "SlipwayMachine", Message: "it is for Machine " + machine + " alone",
	})
	if err := c.SubResource("approval").Update(ctx, approved); err != nil {
		write := tenantapi.Write{
			Object:   "the approval of CertificateSigningRequest " + request.Name,
			Resource: schema.GroupResource{Group: certificatesv1.GroupName, Resource: "certificatesigningrequests/approval"},
		}
		return write.Refused(ctx, c, fmt.Errorf("approve: %w", err))
	}
	return nil
}

func is(request *certificatesv1.CertificateSigningRequest, decision certificatesv1.RequestConditionType) bool {
	return slices.ContainsFunc(request.Status.Conditions, func(c certificatesv1.CertificateSigningRequestCondition) bool {
		return c.Type == decision
	})
}
