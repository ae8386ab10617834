package tenantcluster

import (
	"context"
	"errors"
	"fmt"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/tenantapi"
	"slipway.dev/operators/cluster/addons"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/report"
)

// addonState remembers into which connection the add-ons of a tenant were
// written, and which.
type addonState struct {
	mu      sync.Mutex
	written map[string]writtenAddons
}

type writtenAddons struct {
	connection client.Client
	dns        addons.DNS
}

// reconcileAddons writes the add-ons into the tenant, once for each connection
// and version, and again when cluster DNS was removed. A tenant's own changes
// to other objects stay until then.
func (r *Reconciler) reconcileAddons(ctx context.Context, seen *observation, wanted *plan) (report.Addons, error) {
	if wanted.ownKubeconfig == nil || !seen.has("StatefulSet", controlplane.APIServer) {
		return report.Addons{Message: "waiting for the control plane"}, nil
	}
	tenant, err := r.Tenants.Get(ownSecret(seen.hosted, wanted.ownKubeconfig), v1alpha1.KubeconfigKey)
	if errors.Is(err, tenantapi.ErrNotConnected) {
		// A new connection, after a renewed certificate or a restart of this
		// operator, is no news about the add-ons.
		if meta.IsStatusConditionTrue(seen.cluster.Status.Conditions, v1alpha1.ConditionAddonsReady) {
			return report.Addons{Applied: true, DNSAvailable: true}, nil
		}
		return report.Addons{Message: "waiting for the tenant's API server to answer"}, nil
	}
	if err != nil {
		return report.Addons{Message: "connecting to the tenant's API server failed"}, err
	}
	dns, err := clusterDNS(wanted.tenant)
	if err != nil {
		return report.Addons{}, err
	}
	deployment := &appsv1.Deployment{}
	err = tenant.Get(ctx, client.ObjectKey{Namespace: addons.CoreDNSNamespace, Name: addons.CoreDNS}, deployment)
	if client.IgnoreNotFound(err) != nil {
		return report.Addons{Message: "reading the tenant's Deployments failed"}, fmt.Errorf("get tenant's %s: %w", addons.CoreDNS, err)
	}
	if apierrors.IsNotFound(err) || !r.addons.have(seen.hosted, tenant, dns) {
		objects := append(addons.RBAC(), addons.ClusterDNS(dns)...)
		if err := apply.Objects(ctx, tenant, owner, objects...); err != nil {
			return report.Addons{Message: fmt.Sprintf("writing the tenant's add-ons failed: %s", apierrors.ReasonForError(err))}, fmt.Errorf("tenant's add-ons: %w", err)
		}
		r.addons.remember(seen.hosted, tenant, dns)
	}
	return report.Addons{Applied: true, DNSAvailable: deployment.Status.AvailableReplicas > 0}, nil
}

func clusterDNS(t controlplane.Tenant) (addons.DNS, error) {
	address, err := v1alpha1.DNSAddress(t.Spec.Network.ServiceCIDR)
	if err != nil {
		return addons.DNS{}, fmt.Errorf("address of cluster DNS: %w", err)
	}
	return addons.DNS{
		Image:    fmt.Sprintf("%s/%s:%s", t.Images.Registry, addons.CoreDNS, t.Images.CoreDNSTag),
		Domain:   t.Spec.DNS.Domain,
		Address:  address.String(),
		Replicas: t.Spec.ControlPlane.Replicas,
	}, nil
}

func ownSecret(hosted string, encoded []byte) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: hosted, Name: v1alpha1.SecretClusterOperatorKubeconfig},
		Data:       map[string][]byte{v1alpha1.KubeconfigKey: encoded},
	}
}

// TenantCache restricts what is cached of a tenant: cluster DNS alone.
func TenantCache() cache.Options {
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&appsv1.Deployment{}: {
				Namespaces: map[string]cache.Config{addons.CoreDNSNamespace: {}},
				Field:      fieldName(addons.CoreDNS),
			},
		},
	}
}

// onConnect watches cluster DNS in a tenant whose API answers.
func (r *Reconciler) onConnect(ctx context.Context, key client.ObjectKey, tenant cluster.Cluster) error {
	informer, err := tenant.GetCache().GetInformer(ctx, &appsv1.Deployment{})
	if err != nil {
		return fmt.Errorf("watch Deployments: %w", err)
	}
	wake := func() { r.wake(ctx, key) }
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { wake() },
		UpdateFunc: func(any, any) { wake() },
		DeleteFunc: func(any) { wake() },
	})
	if err != nil {
		return fmt.Errorf("watch Deployments: %w", err)
	}
	return nil
}

// wake reconciles the tenant that a key's namespace belongs to.
func (r *Reconciler) wake(ctx context.Context, key client.ObjectKey) {
	object := &metav1.PartialObjectMetadata{TypeMeta: secretKind}
	object.Namespace, object.Name = key.Namespace, key.Name
	select {
	case r.wakeUp <- event.GenericEvent{Object: object}:
	case <-ctx.Done():
	}
}

func (s *addonState) have(hosted string, connection client.Client, dns addons.DNS) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	written, ok := s.written[hosted]
	return ok && written.connection == connection && written.dns == dns
}

func (s *addonState) remember(hosted string, connection client.Client, dns addons.DNS) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.written == nil {
		s.written = map[string]writtenAddons{}
	}
	s.written[hosted] = writtenAddons{connection: connection, dns: dns}
}

func (s *addonState) forget(hosted string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.written, hosted)
}
