package machine

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/tenantapi"
	"slipway.dev/operators/kvm/bootstrap"
)

// reasonJoined is the reason of BootstrapReady when the token has been used
// and is removed.
const reasonJoined = "NodeJoined"

// admit lets the guest join the tenant as long as it has not, and gives how
// long that lasts; zero when there is nothing to renew.
func (r *Reconciler) admit(ctx context.Context, o *observation) (renewal time.Duration, err error) {
	if o.tenant == nil || o.bootstrap == nil {
		return 0, nil
	}
	if err := r.restoreNode(ctx, o); err != nil {
		return 0, err
	}
	token, err := bootstrap.ReadToken(o.bootstrap)
	if err != nil {
		return 0, err
	}
	if o.joined() {
		r.issued.forget(client.ObjectKeyFromObject(o.machine))
		if bootstrapCondition(o.machine).Reason == reasonJoined {
			return 0, nil
		}
		return 0, o.tenant.Do(ctx, func(ctx context.Context, c client.Client) error { return removeToken(ctx, c, token) })
	}
	now := r.Clock.Now()
	expiration, next := bootstrap.Expiration(o.machine.CreationTimestamp.Time, now)
	key, written := client.ObjectKeyFromObject(o.machine), issue{o.machine.UID, o.tenant, expiration}
	if r.issued.has(key, written) {
		return next.Sub(now), nil
	}
	err = o.tenant.Do(ctx, func(ctx context.Context, c client.Client) error {
		err := apply.Objects(ctx, c, Owner, bootstrap.TokenSecret(o.machine.Name, token, expiration))
		return tokenWrite(token).Refused(ctx, c, err)
	})
	if err == nil {
		r.issued.remember(key, written)
	}
	return next.Sub(now), err
}

// issued are the tokens that tenants have taken of guests that have not joined.
// They are remembered because they may not be read: RBAC cannot tell them from
// other Secrets. One that the tenant itself removes comes back when it is to be
// renewed, when the guest is started anew, and over another connection.
type issued struct {
	mu     sync.Mutex
	tokens map[types.NamespacedName]issue
}

type issue struct {
	machine    types.UID
	tenant     *tenantapi.Tenant
	expiration time.Time
}

func (i *issued) has(machine types.NamespacedName, wanted issue) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.tokens[machine] == wanted
}

func (i *issued) remember(machine types.NamespacedName, written issue) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.tokens == nil {
		i.tokens = map[types.NamespacedName]issue{}
	}
	i.tokens[machine] = written
}

func (i *issued) forget(machine types.NamespacedName) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.tokens, machine)
}

func bootstrapCondition(machine *v1alpha1.Machine) metav1.Condition {
	if c := meta.FindStatusCondition(machine.Status.Conditions, v1alpha1.ConditionBootstrapReady); c != nil {
		return *c
	}
	return metav1.Condition{}
}

func removeToken(ctx context.Context, tenant client.Client, token bootstrap.Token) error {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Namespace: metav1.NamespaceSystem, Name: bootstrap.TokenSecretName(token),
	}}
	if err := client.IgnoreNotFound(tenant.Delete(ctx, secret)); err != nil {
		return tokenWrite(token).Refused(ctx, tenant, fmt.Errorf("remove bootstrap token: %w", err))
	}
	return nil
}

func tokenWrite(token bootstrap.Token) tenantapi.Write {
	return tenantapi.Write{
		Object:   "Secret " + bootstrap.TokenSecretName(token),
		Resource: schema.GroupResource{Resource: "secrets"}, Namespace: metav1.NamespaceSystem,
	}
}
