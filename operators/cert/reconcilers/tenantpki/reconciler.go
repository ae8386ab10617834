// Package tenantpki keeps the issuers, certificates and keys of a TenantPKI.
package tenantpki

import (
	"context"
	"errors"
	"fmt"
	"slices"

	cmv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/conditions"
	"slipway.dev/kit/namespace"
	"slipway.dev/operators/cert/pki"
)

const fieldOwner client.FieldOwner = "slipway-cert-operator"

// Reconciler works on one TenantPKI at a time. Its client must read Secrets
// through a cache made with CacheOptions.
type Reconciler struct {
	Client client.Client
	Events Events
	Clock  clock.PassiveClock

	writer *apply.Writer
	pace   pace
}

// Reconcile makes everything at once and reports what is there. There is no
// finalizer: what is made belongs to the TenantPKI, and the Secrets that
// cert-manager writes end with the hosted namespace.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	tenant := &v1alpha1.TenantPKI{}
	if err := r.Client.Get(ctx, request.NamespacedName, tenant); err != nil {
		r.pace.forget(request.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if tenant.DeletionTimestamp != nil {
		return ctrl.Result{}, nil
	}
	hosted, err := r.isHosted(ctx, tenant.Namespace)
	if err != nil {
		return ctrl.Result{}, err
	}
	observed, err := r.observe(ctx, tenant, hosted)
	if err != nil {
		return ctrl.Result{}, err
	}
	if !hosted {
		if err := r.prune(ctx, pki.Desired{}, observed); err != nil {
			return ctrl.Result{}, err
		}
		return r.report(ctx, tenant, pki.ReportNotHosted(tenant))
	}
	desired, err := pki.Desire(tenant)
	if err != nil {
		return r.report(ctx, tenant, pki.ReportInvalid(tenant, observed, err))
	}
	err = r.apply(ctx, desired, observed)
	if err == nil {
		err = r.createServiceAccountKeys(ctx, tenant, observed)
	}
	if refusal, refused := conditions.Refusal(v1alpha1.ConditionReady, err); refused {
		_, reported := r.report(ctx, tenant, pki.ReportRefused(tenant, observed, refusal))
		return ctrl.Result{}, errors.Join(reported, err)
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	if err := r.prune(ctx, desired, observed); err != nil {
		return ctrl.Result{}, err
	}
	return r.report(ctx, tenant, pki.Report(tenant, desired, observed))
}

func (r *Reconciler) isHosted(ctx context.Context, name string) (bool, error) {
	found, err := namespace.Get(ctx, r.Client, name) // the cache holds only those of tenants
	return found != nil && v1alpha1.IsHostedNamespace(found), err
}

func (r *Reconciler) apply(ctx context.Context, desired pki.Desired, observed pki.Observed) error {
	for _, issuer := range desired.Issuers {
		if err := r.writer.Apply(ctx, issuer, named(observed.Issuers, *issuer.GetName())); err != nil {
			return err
		}
	}
	for _, certificate := range desired.Certificates {
		if err := r.writer.Apply(ctx, certificate, named(observed.Certificates, *certificate.GetName())); err != nil {
			return err
		}
	}
	return nil
}

// report writes what somebody waits for at once, and everything else with what
// else comes up in the meantime. It tells of what has changed.
func (r *Reconciler) report(ctx context.Context, tenant *v1alpha1.TenantPKI, report *slipwayac.TenantPKIApplyConfiguration) (ctrl.Result, error) {
	key, now := client.ObjectKeyFromObject(tenant), r.Clock.Now()
	if due := r.pace.due(key, now); due > 0 && !pki.Urgent(tenant.Status, report.Status) {
		return ctrl.Result{RequeueAfter: due}, nil
	}
	// On the version that it was decided on: what a cache knows late is not told twice.
	report.WithResourceVersion(tenant.ResourceVersion)
	if err := r.writer.ApplyStatus(ctx, report, tenant); err != nil {
		return ctrl.Result{}, err
	}
	r.pace.reported(key, now)
	r.Events.record(tenant, pki.ChangesSince(tenant.Status, report.Status))
	return ctrl.Result{}, nil
}

// observe reads Secrets in hosted namespaces alone: nothing grants it elsewhere.
func (r *Reconciler) observe(ctx context.Context, tenant *v1alpha1.TenantPKI, hosted bool) (pki.Observed, error) {
	var (
		issuers      cmv1.IssuerList
		certificates cmv1.CertificateList
		secrets      corev1.SecretList
		observed     pki.Observed
	)
	lists := []client.ObjectList{&issuers, &certificates}
	if hosted {
		lists = append(lists, &secrets)
	}
	for _, list := range lists {
		if err := r.Client.List(ctx, list, client.InNamespace(tenant.Namespace), client.MatchingLabels(pki.Labels(tenant))); err != nil {
			return observed, fmt.Errorf("list %T of %s: %w", list, tenant.Namespace, err)
		}
	}
	observed.Issuers = ownedBy(tenant, pointers(issuers.Items))
	observed.Certificates = ownedBy(tenant, pointers(certificates.Items))
	observed.Secrets = pointers(secrets.Items)
	return observed, nil
}

// createServiceAccountKeys never overwrites keys, even if the cache does not
// know of them yet: creating is refused when the Secret is there.
func (r *Reconciler) createServiceAccountKeys(ctx context.Context, tenant *v1alpha1.TenantPKI, observed pki.Observed) error {
	for _, secret := range observed.Secrets {
		if secret.Name == v1alpha1.SecretServiceAccount {
			return nil
		}
	}
	secret, err := pki.ServiceAccountSecret(tenant)
	if err != nil {
		return err
	}
	err = r.Client.Create(ctx, secret, fieldOwner)
	switch {
	case apierrors.IsAlreadyExists(err):
		return nil
	case err != nil:
		return fmt.Errorf("create service-account keys: %w", err)
	}
	log.FromContext(ctx).Info("Created service-account keys", "Secret", client.ObjectKeyFromObject(secret))
	return nil
}

// prune removes issuers and certificates that an earlier version made. Their
// Secrets stay: the operator may not delete any.
func (r *Reconciler) prune(ctx context.Context, desired pki.Desired, observed pki.Observed) error {
	issuers, certificates := desired.Names()
	if err := apply.Prune(ctx, r.Client, observed.Certificates, certificates); err != nil {
		return err
	}
	return apply.Prune(ctx, r.Client, observed.Issuers, issuers)
}

// ownedBy leaves out what merely carries the labels.
func ownedBy[T client.Object](tenant *v1alpha1.TenantPKI, objects []T) []T {
	return slices.DeleteFunc(objects, func(object T) bool { return !metav1.IsControlledBy(object, tenant) })
}

func pointers[T any](items []T) []*T {
	result := make([]*T, len(items))
	for i := range items {
		result[i] = &items[i]
	}
	return result
}

// named returns the object of a name; nil where there is none.
func named[T client.Object](objects []T, name string) client.Object {
	for _, object := range objects {
		if object.GetName() == name {
			return object
		}
	}
	return nil
}
