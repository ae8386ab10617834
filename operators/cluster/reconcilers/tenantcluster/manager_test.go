package tenantcluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/operator"
)

// managerIsWokenByEverything runs the reconciler as the operator does, over
// caches and watches: every step below happens because something changed.
func managerIsWokenByEverything(e *environment) {
	options, err := CacheOptions()
	if err != nil {
		e.Fatal(err)
	}
	flags := operator.Options{MetricsAddress: "0", HealthAddress: "0", LogLevel: slog.LevelError}
	manager, err := flags.NewManager(e.config, "cluster-operator", newScheme(e), options)
	if err != nil {
		e.Fatal(err)
	}
	ctx, cancel := context.WithCancel(e.Context())
	reconciler := &Reconciler{Client: manager.GetClient(), Live: manager.GetAPIReader(), Config: testConfig(), Now: time.Now}
	if err := reconciler.SetupWithManager(ctx, manager); err != nil {
		e.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(ctx) }()
	e.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			e.Errorf("end manager: %v", err)
		}
	})

	spec := pools(map[string]any{"name": "a"})
	spec["registries"] = []any{map[string]any{"host": "docker.io", "endpoint": "https://mirror.example.com", "caSecretName": "mirror-ca"}}
	e.createCluster(spec)
	e.await("children", func() error { return e.find(&v1alpha1.NetworkPort{}, e.hosted, "kube-apiserver-0") })
	e.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: e.team, Name: "mirror-ca"}, Data: map[string][]byte{"ca.crt": []byte("pem")}})
	e.await("the copy of the user's Secret", func() error { return e.find(&corev1.Secret{}, e.hosted, "registry-ca-mirror-ca") })
	e.issuePKI()
	e.await("the user's kubeconfig", func() error { return e.find(&corev1.Secret{}, e.team, "demo-kubeconfig") })
	e.connectNetwork()
	e.await("a condition", func() error {
		if got := e.condition(v1alpha1.ConditionNetworkReady); got != "True Ready" {
			return fmt.Errorf("NetworkReady is %s", got)
		}
		return nil
	})
	e.releaseClaims()
	if err := e.client.Delete(e.Context(), e.cluster()); err != nil {
		e.Fatal(err)
	}
	namespace := &corev1.Namespace{}
	e.await("the end of the namespace", func() error {
		if err := e.find(namespace, "", e.hosted); err != nil || namespace.DeletionTimestamp != nil {
			return err
		}
		return errors.New("it is not being deleted")
	})
	e.collectNamespace()
	e.await("the end of the TenantCluster", func() error {
		if err := e.find(&v1alpha1.TenantCluster{}, e.team, "demo"); !apierrors.IsNotFound(err) {
			return fmt.Errorf("it is still there: %w", err)
		}
		return nil
	})
}

func (e *environment) find(object client.Object, namespace, name string) error {
	return e.client.Get(e.Context(), client.ObjectKey{Namespace: namespace, Name: name}, object)
}

// await asks until the thing is there.
func (e *environment) await(what string, ask func() error) {
	e.Helper()
	var last error
	err := wait.PollUntilContextTimeout(e.Context(), 50*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		last = ask()
		return last == nil, nil
	})
	if err != nil {
		e.Fatalf("%s: %v", what, last)
	}
}
