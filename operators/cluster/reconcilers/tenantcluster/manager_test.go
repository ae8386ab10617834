package tenantcluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/testenv"
	"slipway.dev/operators/cluster/children"
	"slipway.dev/operators/cluster/hosted"
	"slipway.dev/operators/cluster/reconcilers/orphans"
	"slipway.dev/operators/cluster/reconcilers/tenantaddons"
	"slipway.dev/operators/cluster/reconcilers/tenantetcd"
)

// managerIsWokenByEverything runs all reconcilers as the operator does, over caches
// and watches and with the rights that the chart gives: every step below happens
// because something changed.
func managerIsWokenByEverything(e *environment) {
	options, err := hosted.CacheOptions()
	if err != nil {
		e.Fatal(err)
	}
	account := testenv.Account(e, e.config, "../../../../charts/cluster-operator", "cluster-operator")
	manager := testenv.Manager(e, account, newScheme(e), options, hosted.NewCache)
	ctx := e.Context()
	if err := hosted.Index(ctx, manager); err != nil {
		e.Fatal(err)
	}
	reader := hosted.NewReader(manager.GetClient(), manager.GetAPIReader())
	grants := hosted.NewGrants(manager.GetClient(), testenv.ChartNamespace)
	c, now, recorder := manager.GetClient(), clock.RealClock{}, manager.GetEventRecorder("cluster-operator")
	err = errors.Join(
		New(c, reader, grants, testConfig(), now, recorder).SetupWithManager(manager),
		tenantaddons.New(c, reader.Live, testConfig().Images, now).SetupWithManager(ctx, manager),
		tenantetcd.New(c, reader.Live, new(net.Dialer).DialContext, now, recorder).SetupWithManager(manager),
		orphans.New(c, reader, grants, now, recorder).SetupWithManager(manager),
	)
	if err != nil {
		e.Fatal(err)
	}
	testenv.Run(e, manager)

	spec := pools(map[string]any{"name": "a"})
	spec["registries"] = []any{map[string]any{"host": "docker.io", "endpoint": "https://mirror.example.com", "caSecretName": "mirror-ca"}}
	e.createCluster(spec)
	e.await("children", func() error { return e.find(&v1alpha1.NetworkPort{}, e.hosted, "kube-apiserver-0") })
	e.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: e.team, Name: "mirror-ca", Labels: map[string]string{v1alpha1.LabelShareWithWorkers: "true"}}, Data: map[string][]byte{"ca.crt": []byte("pem")}})
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
	e.await("a report of the add-ons", func() error {
		// The certificates are no real ones.
		if got := e.condition(v1alpha1.ConditionAddonsReady); !strings.HasPrefix(got, "Unknown InvalidKubeconfig: the kubeconfig in Secret "+e.hosted) {
			return fmt.Errorf("AddonsReady is %s", got)
		}
		return nil
	})
	e.await("a report of etcd", func() error {
		if got := e.condition(v1alpha1.ConditionEtcdReady); got != "Unknown Pending: waiting for etcd" {
			return fmt.Errorf("EtcdReady is %s", got)
		}
		return nil
	})
	e.await("an event", func() error {
		list := &eventsv1.EventList{}
		if err := e.client.List(e.Context(), list, client.InNamespace(e.team)); err != nil || len(list.Items) > 0 {
			return err
		}
		return errors.New("there is none")
	})
	e.releaseClaims()
	if err := e.client.Delete(e.Context(), e.cluster()); err != nil {
		e.Fatal(err)
	}
	e.awaitRemoval()
	e.await("the end of the TenantCluster", func() error {
		if err := e.find(&v1alpha1.TenantCluster{}, e.team, "demo"); !apierrors.IsNotFound(err) {
			return fmt.Errorf("it is still there: %w", err)
		}
		return nil
	})

	// Another has gone without its finalizer.
	gone := &v1alpha1.TenantCluster{ObjectMeta: metav1.ObjectMeta{Namespace: e.team, Name: "gone", UID: "1"}}
	e.hosted = v1alpha1.HostedNamespace(e.team, "gone")
	made := children.Namespace(gone)
	e.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: e.hosted, Labels: made.Labels, Annotations: made.Annotations}})
	e.awaitRemoval()
}

// awaitRemoval waits until the hosted namespace goes, and lets it go.
func (e *environment) awaitRemoval() {
	e.Helper()
	namespace := &corev1.Namespace{}
	e.await("the end of the namespace", func() error {
		if err := e.find(namespace, "", e.hosted); err != nil || namespace.DeletionTimestamp != nil {
			return err
		}
		return errors.New("it is not being deleted")
	})
	e.collectNamespace()
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
