package machine

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/guest/contract"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/tenantapi"
	"slipway.dev/operators/kvm/bootstrap"
)

// shareRegistries writes passwords and certificates of registries, as they are
// now, into the tenant, where its workers read them. Those that a worker booted
// with are as old as it is.
func (r *Reconciler) shareRegistries(ctx context.Context, o *observation) error {
	if !o.joined() || len(o.registries) == 0 || len(o.missing) > 0 {
		return nil
	}
	// A worker of another list is on its way out.
	if o.pool == nil || !slices.Equal(o.machine.Spec.Cluster.Registries, o.pool.Spec.Template.Cluster.Registries) {
		return nil
	}
	secret := bootstrap.RegistriesSecret(o.registries)
	written := share{o.tenant, sha256.Sum256(secret.Data[contract.RegistriesKey])}
	if r.shared.has(o.machine.Namespace, written) {
		return nil
	}
	err := o.tenant.Do(ctx, func(ctx context.Context, c client.Client) error {
		write := tenantapi.Write{
			Object:   "Secret " + contract.RegistriesSecret,
			Resource: schema.GroupResource{Resource: "secrets"}, Namespace: metav1.NamespaceSystem,
		}
		return write.Refused(ctx, c, apply.Objects(ctx, c, Owner, secret))
	})
	if err == nil {
		r.shared.remember(o.machine.Namespace, written)
	}
	if refused := (*tenantapi.RefusedError)(nil); errors.As(err, &refused) {
		r.Events.registriesNotShared(o.machine, explain(refused))
	}
	return err
}

// shared is what tenants have of their registries, by hosted namespace. It is
// remembered because Secrets of tenants may not be read. One that the tenant
// itself removes or changes comes back over another connection.
type shared struct {
	mu      sync.Mutex
	tenants map[string]share
}

type share struct {
	tenant *tenantapi.Tenant
	digest [sha256.Size]byte
}

func (s *shared) has(namespace string, wanted share) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tenants[namespace] == wanted
}

func (s *shared) remember(namespace string, written share) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tenants == nil {
		s.tenants = map[string]share{}
	}
	s.tenants[namespace] = written
}

// forget a tenant whose namespace is gone.
func (s *shared) forget(namespace string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tenants, namespace)
}
