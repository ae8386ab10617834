package main

import (
	"context"
	"errors"
	"fmt"
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
)

// limit bounds each wait; what takes longer has failed.
const limit = 5 * time.Minute

// idle is how long a tenant that is Ready is left alone until it counts as idle.
const idle = 30 * time.Second

// newTenant has a control plane, and one pool where there are workers.
func newTenant(name string, workers int32) *v1alpha1.TenantCluster {
	tc := &v1alpha1.TenantCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: name},
		Spec:       v1alpha1.TenantClusterSpec{Version: v1alpha1.SupportedVersions[0]},
	}
	if workers > 0 {
		tc.Spec.NodePools = []v1alpha1.ClusterNodePool{{Name: "a", Replicas: new(workers)}}
	}
	return tc
}

// createReady measures how long after its creation a tenant is Ready.
func (b *bench) createReady(ctx context.Context, tc *v1alpha1.TenantCluster) (time.Duration, error) {
	start := time.Now()
	if err := b.client.Create(ctx, tc); err != nil {
		return 0, fmt.Errorf("create %s: %w", tc.Name, err)
	}
	err := b.awaitReady(ctx, tc)
	return time.Since(start), err
}

func (b *bench) awaitReady(ctx context.Context, tc *v1alpha1.TenantCluster) error {
	return b.follow(ctx, tc, func(_ watch.EventType, current *v1alpha1.TenantCluster) bool {
		return meta.IsStatusConditionTrue(current.Status.Conditions, v1alpha1.ConditionReady)
	})
}

// settle waits until a tenant is Ready and idle.
func (b *bench) settle(ctx context.Context, tc *v1alpha1.TenantCluster) error {
	if err := b.awaitReady(ctx, tc); err != nil {
		return err
	}
	return leaveAlone(ctx, idle)
}

func leaveAlone(ctx context.Context, duration time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(duration):
		return nil
	}
}

// scale sets the number of workers of a tenant's pool.
func (b *bench) scale(ctx context.Context, tc *v1alpha1.TenantCluster, workers int32) error {
	current := &v1alpha1.TenantCluster{}
	if err := b.client.Get(ctx, client.ObjectKeyFromObject(tc), current); err != nil {
		return err
	}
	before := current.DeepCopy()
	current.Spec.NodePools[0].Replicas = new(workers)
	if err := b.client.Patch(ctx, current, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("scale %s: %w", tc.Name, err)
	}
	return nil
}

// config is that of the tenant's team.
func (b *bench) config(ctx context.Context, tc *v1alpha1.TenantCluster) (*rest.Config, error) {
	current, secret := &v1alpha1.TenantCluster{}, &corev1.Secret{}
	if err := b.client.Get(ctx, client.ObjectKeyFromObject(tc), current); err != nil {
		return nil, err
	}
	if err := b.client.Get(ctx, client.ObjectKey{Namespace: tc.Namespace, Name: current.Status.KubeconfigSecretName}, secret); err != nil {
		return nil, fmt.Errorf("read kubeconfig of %s: %w", tc.Name, err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(secret.Data["value"])
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig of %s: %w", tc.Name, err)
	}
	return config, nil
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

// follow watches one TenantCluster until done says so.
func (b *bench) follow(ctx context.Context, tc *v1alpha1.TenantCluster, done func(watch.EventType, *v1alpha1.TenantCluster) bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	_, err := follow.Object(ctx, b.client, tc, func(event watch.EventType, current *v1alpha1.TenantCluster) (bool, error) {
		return done(event, current), nil
	})
	return err
}
