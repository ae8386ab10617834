// Package csr approves the serving certificates of the tenants' kubelets.
package csr

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/kvm/approval"
	"slipway.dev/operators/kvm/tenant"
)

const (
	tenantTimeout = 5 * time.Second
	concurrency   = 4
)

// Tenants gives clients of tenants' APIs.
type Tenants interface {
	Client(kubeconfig *corev1.Secret) (client.Client, error)
}

// Reconciler decides on certificate signing requests of tenants.
type Reconciler struct {
	Client  client.Client
	Tenants Tenants
	Events  events.EventRecorder
}

// SetupWithManager registers the controller, whose events all come from fleet.
func (r *Reconciler) SetupWithManager(manager ctrl.Manager, fleet *tenant.Fleet) error {
	c, err := controller.NewTyped("csr", manager, controller.TypedOptions[tenant.Request]{
		Reconciler: r, MaxConcurrentReconciles: concurrency,
	})
	if err != nil {
		return fmt.Errorf("make controller: %w", err)
	}
	return c.Watch(source.TypedChannel(fleet.Requests, handler.TypedEnqueueRequestsFromMapFunc(
		func(_ context.Context, request tenant.Request) []tenant.Request { return []tenant.Request{request} },
	)))
}

// Reconcile approves a request that is a Machine's own. Others are left
// pending, as Kubernetes' own approvers do: somebody else may know better.
func (r *Reconciler) Reconcile(ctx context.Context, request tenant.Request) (reconcile.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, tenantTimeout)
	defer cancel()
	kubeconfig := &corev1.Secret{}
	if err := r.Client.Get(ctx, types.NamespacedName{Namespace: request.Namespace, Name: tenant.SecretName}, kubeconfig); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	c, err := r.Tenants.Client(kubeconfig)
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("reach tenant: %w", err)
	}
	csr := &certificatesv1.CertificateSigningRequest{}
	if err := c.Get(ctx, types.NamespacedName{Name: request.Name}, csr); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	name, fromKubelet := approval.MachineName(&csr.Spec)
	if decided(csr) || !fromKubelet {
		return reconcile.Result{}, nil
	}
	machine := &v1alpha1.Machine{}
	err = r.Client.Get(ctx, types.NamespacedName{Namespace: request.Namespace, Name: name}, machine)
	if client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("get Machine %s: %w", name, err)
	}
	if err != nil || machine.DeletionTimestamp != nil {
		log.FromContext(ctx).Info("Left pending: no Machine of that name", "user", csr.Spec.Username)
		return reconcile.Result{}, nil
	}
	address, err := netip.ParseAddr(machine.Status.IPAddress)
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("address of Machine %s: %w", name, err)
	}
	if err := approval.Decide(&csr.Spec, approval.Machine{Name: name, IPAddress: address}); err != nil {
		r.Events.Eventf(machine, nil, corev1.EventTypeWarning, "ServingCertificateNotApproved", "Approve", "Left %s pending: %v", csr.Name, err)
		return reconcile.Result{}, nil
	}
	return reconcile.Result{}, r.approve(ctx, c, csr, name)
}

func (r *Reconciler) approve(ctx context.Context, c client.Client, csr *certificatesv1.CertificateSigningRequest, machine string) error {
	approved := csr.DeepCopy()
	approved.Status.Conditions = append(approved.Status.Conditions, certificatesv1.CertificateSigningRequestCondition{
		Type: certificatesv1.CertificateApproved, Status: corev1.ConditionTrue,
		Reason: "SlipwayMachine", Message: "name and addresses are those of Machine " + machine,
	})
	if err := c.SubResource("approval").Update(ctx, approved); err != nil {
		return fmt.Errorf("approve %s: %w", csr.Name, err)
	}
	return nil
}

func decided(csr *certificatesv1.CertificateSigningRequest) bool {
	for _, condition := range csr.Status.Conditions {
		if condition.Type == certificatesv1.CertificateApproved || condition.Type == certificatesv1.CertificateDenied {
			return true
		}
	}
	return false
}
