// Package tenantpki keeps the issuers, certificates and keys of a TenantPKI.
package tenantpki

import (
	"context"
	"fmt"

	cmv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/operators/cert/pki"
)

const fieldOwner client.FieldOwner = "slipway-cert-operator"

// Reconciler works on one TenantPKI at a time. Its client must read Secrets
// through a cache made with CacheOptions.
type Reconciler struct {
	Client client.Client
}

// Reconcile makes everything at once and reports what is there. There is no
// finalizer: what is made belongs to the TenantPKI, and the Secrets that
// cert-manager writes end with the hosted namespace.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	tenant := &v1alpha1.TenantPKI{}
	if err := r.Client.Get(ctx, request.NamespacedName, tenant); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if tenant.DeletionTimestamp != nil {
		return ctrl.Result{}, nil
	}
	observed, err := r.observe(ctx, tenant)
	if err != nil {
		return ctrl.Result{}, err
	}
	desired, err := pki.Desire(tenant)
	if err != nil {
		return ctrl.Result{}, apply.Status(ctx, r.Client, fieldOwner, pki.ReportInvalid(tenant, observed, err))
	}
	changes, err := pki.Changes(desired, observed)
	if err != nil {
		return ctrl.Result{}, err
	}
	if err := apply.Objects(ctx, r.Client, fieldOwner, changes.All()...); err != nil {
		return ctrl.Result{}, err
	}
	if err := r.createServiceAccountKeys(ctx, tenant, observed); err != nil {
		return ctrl.Result{}, err
	}
	if err := r.prune(ctx, desired, observed); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, apply.Status(ctx, r.Client, fieldOwner, pki.Report(tenant, desired, changes, observed))
}

func (r *Reconciler) observe(ctx context.Context, tenant *v1alpha1.TenantPKI) (pki.Observed, error) {
	var (
		issuers      cmv1.IssuerList
		certificates cmv1.CertificateList
		secrets      corev1.SecretList
		observed     pki.Observed
	)
	for _, list := range []client.ObjectList{&issuers, &certificates, &secrets} {
		if err := r.Client.List(ctx, list, client.InNamespace(tenant.Namespace), client.MatchingLabels(pki.Labels(tenant))); err != nil {
			return observed, fmt.Errorf("list %T of %s: %w", list, tenant.Namespace, err)
		}
	}
	observed.Issuers = pointers(issuers.Items)
	observed.Certificates = pointers(certificates.Items)
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

func pointers[T any](items []T) []*T {
	result := make([]*T, len(items))
	for i := range items {
		result[i] = &items[i]
	}
	return result
}
