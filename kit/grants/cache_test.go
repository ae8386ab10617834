package grants

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"

	"slipway.dev/kit/testenv"
)

const (
	binding = "operator"
	role    = "hosted-operator"
	user    = "system:serviceaccount:slipway-system:operator"
)

// TestCache has an operator that may watch RoleBindings of its name and nothing
// else: the API server itself refuses what is not granted.
func TestCache(t *testing.T) {
	e := newEnvironment(t)
	e.namespace("before", "granted", "foreign")
	e.grant("before", role)
	reader, told := e.operator()

	t.Run("granted before the start", func(t *testing.T) {
		e.wantSecret(t, reader, "before")
		if got := <-told; got != "before/a" {
			t.Errorf("told of %s, want before/a", got)
		}
	})
	t.Run("not granted", func(t *testing.T) {
		e.wantNotGranted(t, reader, "granted")
		if err := reader.List(t.Context(), &corev1.SecretList{}); !errors.Is(err, ErrNotGranted) {
			t.Errorf("list everywhere: %v", err)
		}
	})
	t.Run("granted while it runs", func(t *testing.T) {
		e.grant("granted", role)
		e.wantSecret(t, reader, "granted")
		if got := <-told; got != "granted/a" {
			t.Errorf("told of %s, want granted/a", got)
		}
		list := &corev1.SecretList{}
		if err := reader.List(t.Context(), list, client.InNamespace("granted")); err != nil || len(list.Items) != 1 {
			t.Errorf("listed %d, %v", len(list.Items), err)
		}
	})
	t.Run("another role of that name grants nothing", func(t *testing.T) {
		e.grant("foreign", "view")
		e.wantNotGranted(t, reader, "foreign")
	})
	t.Run("revoked and granted again", func(t *testing.T) {
		e.revoke("granted")
		e.eventually(t, func() error {
			if err := reader.Get(t.Context(), client.ObjectKey{Namespace: "granted", Name: "a"}, &corev1.Secret{}); !errors.Is(err, ErrNotGranted) {
				return fmt.Errorf("read: %w", err)
			}
			return nil
		})
		e.wantSecret(t, reader, "before")
		e.grant("granted", role)
		e.wantSecret(t, reader, "granted")
	})
	t.Run("other kinds are read everywhere", func(t *testing.T) {
		list := &rbacv1.RoleBindingList{}
		if err := reader.List(t.Context(), list); err != nil || len(list.Items) != 3 {
			t.Errorf("listed %d, %v", len(list.Items), err)
		}
	})
}

// environment is an API server, and an operator with the rights of a chart.
type environment struct {
	*testing.T
	config *rest.Config
	admin  client.Client
}

func newEnvironment(t *testing.T) *environment {
	t.Helper()
	e := &environment{T: t, config: testenv.Start(t)}
	e.admin = testenv.Client(t, e.config, clientgoscheme.Scheme)
	e.create(
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: binding}, Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{rbacv1.GroupName}, Resources: []string{"rolebindings"}, ResourceNames: []string{binding}, Verbs: []string{"list", "watch"},
		}}},
		&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: binding}, RoleRef: clusterRole(binding), Subjects: subjects()},
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: role}, Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"list", "watch"},
		}}},
	)
	return e
}

func clusterRole(name string) rbacv1.RoleRef {
	return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name}
}

func subjects() []rbacv1.Subject {
	return []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "slipway-system", Name: "operator"}}
}

func (e *environment) create(objects ...client.Object) {
	e.Helper()
	for _, object := range objects {
		if err := e.admin.Create(e.Context(), object); err != nil {
			e.Fatalf("create %T %s: %v", object, object.GetName(), err)
		}
	}
}

// namespace creates namespaces with a Secret each.
func (e *environment) namespace(names ...string) {
	e.Helper()
	for _, name := range names {
		e.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}},
			&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: "a"}, Data: map[string][]byte{"key": []byte(name)}})
	}
}

func (e *environment) grant(namespace, role string) {
	e.Helper()
	e.create(&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: binding}, RoleRef: clusterRole(role), Subjects: subjects()})
}

func (e *environment) revoke(namespace string) {
	e.Helper()
	if err := e.admin.Delete(e.Context(), &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: binding}}); err != nil {
		e.Fatal(err)
	}
}

// cluster has caches with the operator's rights.
func (e *environment) cluster() cluster.Cluster {
	e.Helper()
	config := rest.CopyConfig(e.config)
	config.Impersonate.UserName = user
	operator, err := cluster.New(config, func(o *cluster.Options) {
		o.Scheme, o.NewCache = clientgoscheme.Scheme, NewCache(binding, role)
		o.Cache.ByObject = map[client.Object]cache.ByObject{&corev1.Secret{}: {Transform: cache.TransformStripManagedFields()}}
	})
	if err != nil {
		e.Fatal(err)
	}
	return operator
}

// handle adds a handler of Secrets.
func (e *environment) handle(c cache.Cache, tell func(*corev1.Secret)) {
	e.Helper()
	informer, err := c.GetInformer(e.Context(), &corev1.Secret{})
	if err != nil {
		e.Fatal(err)
	}
	handler := toolscache.ResourceEventHandlerFuncs{AddFunc: func(o any) { tell(o.(*corev1.Secret)) }}
	if _, err := informer.AddEventHandler(handler); err != nil {
		e.Fatal(err)
	}
}

// operator runs caches with the operator's rights, and returns what it reads
// from and which Secrets its handler is told of.
func (e *environment) operator() (client.Reader, <-chan string) {
	e.Helper()
	operator := e.cluster()
	ctx, cancel := context.WithCancel(e.Context())
	told := make(chan string, 10)
	e.handle(operator.GetCache(), func(secret *corev1.Secret) { told <- secret.Namespace + "/" + secret.Name })
	ended := make(chan error, 1)
	go func() { ended <- operator.Start(ctx) }()
	e.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			e.Errorf("end caches: %v", err)
		}
	})
	if !operator.GetCache().WaitForCacheSync(ctx) {
		e.Fatal("caches did not sync")
	}
	return operator.GetClient(), told
}

// wantSecret reads a Secret as a reconciler does, which comes again when a read fails.
func (e *environment) wantSecret(t *testing.T, reader client.Reader, namespace string) {
	t.Helper()
	secret := &corev1.Secret{}
	if err := reader.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "a"}, secret); err != nil || string(secret.Data["key"]) != namespace {
		t.Errorf("read %q, %v", secret.Data["key"], err)
	}
	if len(secret.ManagedFields) > 0 {
		t.Error("the options of the cache do not count for Secrets")
	}
}

func (e *environment) wantNotGranted(t *testing.T, reader client.Reader, namespace string) {
	t.Helper()
	err := reader.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "a"}, &corev1.Secret{})
	if !errors.Is(err, ErrNotGranted) {
		t.Errorf("read: %v, want ErrNotGranted", err)
	}
}

func (e *environment) eventually(t *testing.T, check func() error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		last = check()
		return last == nil, nil
	})
	if err != nil {
		t.Errorf("%v: %v", err, last)
	}
}
