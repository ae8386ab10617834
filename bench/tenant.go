package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/follow"
	"slipway.dev/kit/tenantapi"
)

// limit bounds each wait; what takes longer has failed.
const limit = 5 * time.Minute

// idle is how long a tenant that is Ready is left alone until it counts as idle.
const idle = 30 * time.Second

type bench struct {
	client client.WithWatch
	stats  rest.Interface
}

// created says how long after its creation a tenant was ready.
type created struct {
	apiReady, workerReady time.Duration
}

func newTenant(round int) *v1alpha1.TenantCluster {
	return &v1alpha1.TenantCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: fmt.Sprintf("bench-%d", round)},
		Spec: v1alpha1.TenantClusterSpec{
			Version:   v1alpha1.SupportedVersions[0],
			NodePools: []v1alpha1.ClusterNodePool{{Name: "a", Replicas: new(int32(1))}},
		},
	}
}

// create measures how long after its creation a tenant's API answers its
// team, and its first worker is Ready.
func (b *bench) create(ctx context.Context, tc *v1alpha1.TenantCluster) (created, error) {
	var result created
	start := time.Now()
	if err := b.client.Create(ctx, tc); err != nil {
		return result, fmt.Errorf("create %s: %w", tc.Name, err)
	}
	var kubeconfig string
	err := b.follow(ctx, tc, func(_ watch.EventType, current *v1alpha1.TenantCluster) bool {
		kubeconfig = current.Status.KubeconfigSecretName
		return kubeconfig != ""
	})
	if err != nil {
		return result, err
	}
	if err := b.awaitAPI(ctx, client.ObjectKey{Namespace: tc.Namespace, Name: kubeconfig}); err != nil {
		return result, err
	}
	result.apiReady = time.Since(start)
	err = b.follow(ctx, tc, func(_ watch.EventType, current *v1alpha1.TenantCluster) bool { return workers(current) == 1 })
	result.workerReady = time.Since(start)
	return result, err
}

// awaitAPI asks with the team's kubeconfig until the API says that it is ready.
func (b *bench) awaitAPI(ctx context.Context, key client.ObjectKey) error {
	secret := &corev1.Secret{}
	if err := b.client.Get(ctx, key, secret); err != nil {
		return fmt.Errorf("read kubeconfig: %w", err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(secret.Data["value"])
	if err != nil {
		return fmt.Errorf("read kubeconfig: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return tenantapi.AwaitReadyz(ctx, config, 50*time.Millisecond)
}

// settle waits until a tenant is Ready and idle.
func (b *bench) settle(ctx context.Context, tc *v1alpha1.TenantCluster) error {
	err := b.follow(ctx, tc, func(_ watch.EventType, current *v1alpha1.TenantCluster) bool {
		return meta.IsStatusConditionTrue(current.Status.Conditions, v1alpha1.ConditionReady)
	})
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(idle):
		return nil
	}
}

// secondWorker measures how long an idle tenant waits for one worker more.
func (b *bench) secondWorker(ctx context.Context, tc *v1alpha1.TenantCluster) (time.Duration, error) {
	current := &v1alpha1.TenantCluster{}
	if err := b.client.Get(ctx, client.ObjectKeyFromObject(tc), current); err != nil {
		return 0, err
	}
	before := current.DeepCopy()
	current.Spec.NodePools[0].Replicas = new(int32(2))
	start := time.Now()
	if err := b.client.Patch(ctx, current, client.MergeFrom(before)); err != nil {
		return 0, fmt.Errorf("scale %s: %w", tc.Name, err)
	}
	err := b.follow(ctx, tc, func(_ watch.EventType, current *v1alpha1.TenantCluster) bool { return workers(current) == 2 })
	return time.Since(start), err
}

// delete measures until the TenantCluster and its hosted namespace are gone; the operators keep the former until the rest is.
func (b *bench) delete(ctx context.Context, tc *v1alpha1.TenantCluster) (time.Duration, error) {
	start := time.Now()
	if err := b.client.Delete(ctx, tc); err != nil {
		return 0, fmt.Errorf("delete %s: %w", tc.Name, err)
	}
	err := b.follow(ctx, tc, func(event watch.EventType, _ *v1alpha1.TenantCluster) bool { return event == watch.Deleted })
	if err != nil {
		return 0, err
	}
	took := time.Since(start)
	hosted := v1alpha1.HostedNamespace(tc.Namespace, tc.Name)
	if err := b.client.Get(ctx, client.ObjectKey{Name: hosted}, &corev1.Namespace{}); client.IgnoreNotFound(err) != nil || err == nil {
		return 0, fmt.Errorf("namespace %s is left after %s is gone: %w", hosted, tc.Name, errors.Join(err))
	}
	return took, nil
}

func workers(tc *v1alpha1.TenantCluster) int32 {
	if tc.Status.Workers == nil || tc.Status.ObservedGeneration != tc.Generation {
		return 0
	}
	return tc.Status.Workers.Ready
}

// follow watches one TenantCluster until done says so.
func (b *bench) follow(ctx context.Context, tc *v1alpha1.TenantCluster, done func(watch.EventType, *v1alpha1.TenantCluster) bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	_, err := follow.Object(ctx, b.client, tc, func(event watch.EventType, current *v1alpha1.TenantCluster) (bool, error) {
		return done(event, current), nil
	})
	return err
}

// summary is the part of the kubelet's /stats/summary that is read here.
type summary struct {
	Pods []struct {
		PodRef struct{ Name, Namespace string }
		Memory struct{ WorkingSetBytes int64 }
	}
}

// memory is the working set of one tenant's control plane, without its guests, and that of all operators.
func (b *bench) memory(ctx context.Context, hosted string) (plane, operators int64, err error) {
	nodes := &corev1.NodeList{}
	if err := b.client.List(ctx, nodes); err != nil {
		return 0, 0, fmt.Errorf("list nodes: %w", err)
	}
	for i := range nodes.Items {
		data, err := b.stats.Get().Resource("nodes").Name(nodes.Items[i].Name).SubResource("proxy", "stats", "summary").DoRaw(ctx)
		if err != nil {
			return 0, 0, fmt.Errorf("read statistics of %s: %w", nodes.Items[i].Name, err)
		}
		var s summary
		if err := json.Unmarshal(data, &s); err != nil {
			return 0, 0, fmt.Errorf("read statistics of %s: %w", nodes.Items[i].Name, err)
		}
		for _, pod := range s.Pods {
			switch {
			case pod.PodRef.Namespace == hosted && !strings.HasPrefix(pod.PodRef.Name, "virt-launcher-"):
				plane += pod.Memory.WorkingSetBytes
			case pod.PodRef.Namespace == "slipway-system":
				operators += pod.Memory.WorkingSetBytes
			}
		}
	}
	return plane, operators, nil
}
