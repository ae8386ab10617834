package grants

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestFollow tells the cache of RoleBindings itself: how an interrupted watch
// tells of them cannot be brought about.
func TestFollow(t *testing.T) {
	e := newEnvironment(t)
	e.namespace("anew", "broken", "others", "unknown")
	c := e.cluster().GetCache().(*grantedCache) // not started: it watches no RoleBindings
	follower := c.follow(t.Context())

	t.Run("one that now grants, and then no more", func(t *testing.T) {
		e.grant("anew", role)
		follower.OnAdd(told("anew", "view"), false)
		follower.OnUpdate(told("anew", "view"), told("anew", role))
		e.wantSecret(t, c, "anew")
		follower.OnUpdate(told("anew", role), told("anew", role))
		e.wantSecret(t, c, "anew")
		follower.OnUpdate(told("anew", role), told("anew", "view"))
		e.wantNotGranted(t, c, "anew")
	})
	t.Run("a cache that could not be made", func(t *testing.T) {
		e.grant("broken", role)
		open, repaired := c.open, make(chan struct{})
		c.open = func(namespace string) (cache.Cache, error) {
			select {
			case <-repaired:
				return open(namespace)
			default:
				return nil, errors.New("broken")
			}
		}
		follower.OnAdd(told("broken", role), false)
		err := c.Get(t.Context(), client.ObjectKey{Namespace: "broken", Name: "a"}, &corev1.Secret{})
		if want := `watch Secrets of Namespace "broken": broken`; err == nil || err.Error() != want {
			t.Errorf("read: %v, want %s", err, want)
		}
		// A handler that comes meanwhile is not forgotten.
		secrets := make(chan string, 1)
		e.handle(c, func(secret *corev1.Secret) {
			if secret.Namespace == "broken" {
				secrets <- secret.Name
			}
		})
		close(repaired)
		if got := <-secrets; got != "a" {
			t.Errorf("told of %s, want a", got)
		}
		e.wantSecret(t, c, "broken")
	})
	t.Run("a RoleBinding for somebody else", func(t *testing.T) {
		follower.OnAdd(told("others", role), false)
		e.wantNotGranted(t, c, "others")
	})
	t.Run("a caller that gives up", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := c.Get(ctx, client.ObjectKey{Namespace: "unknown", Name: "a"}, &corev1.Secret{})
		if !errors.Is(err, context.Canceled) || errors.Is(err, ErrNotGranted) {
			t.Errorf("read: %v, want that the caller gave up", err)
		}
	})
}

// told is a RoleBinding as the cache may be told of it.
func told(namespace, role string) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: binding}, RoleRef: clusterRole(role), Subjects: subjects()}
}
