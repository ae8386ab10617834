package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/e2e/hostile"
)

const (
	// samples of the time that a tenant takes, alone and beside a hostile one.
	samples = 3
	// blackhole is an address of the hostile tenant's own network that nobody has.
	blackhole = "10.200.0.250"
	// outOfMemory is the kubelet's reason of a container that memory ended.
	outOfMemory = "OOMKilled"
)

// hostileNeighbour measures what a tenant costs others that does everything its
// admin can to stall the operators.
func (b *bench) hostileNeighbour(ctx context.Context) ([]figure, error) {
	alone, err := b.medianReady(ctx, "alone")
	if err != nil {
		return nil, err
	}
	bad := newTenant("hostile", 1)
	if _, err := b.createReady(ctx, bad); err != nil {
		return nil, err
	}
	before, err := b.operatorPods(ctx)
	if err != nil {
		return nil, err
	}
	attack, err := b.attack(ctx, bad)
	if err != nil {
		return nil, err
	}
	defer attack.Stop()
	beside, err := b.medianReady(ctx, "beside")
	if err != nil {
		return nil, err
	}
	after, err := b.operatorPods(ctx)
	if err != nil {
		return nil, err
	}
	attack.Stop()
	if _, err := b.delete(ctx, bad); err != nil {
		return nil, err
	}
	fmt.Printf("create -> Ready, p50 of %d: alone %s, beside a hostile tenant %s\n", samples, seconds(alone), seconds(beside))
	restarts, killed := losses(before, after)
	return []figure{
		{fmt.Sprintf("create -> Ready beside a hostile tenant / alone, p50 of %d", samples), "1.25", fmt.Sprintf("%.2f", beside.Seconds()/alone.Seconds())},
		{"restarts of operators meanwhile, and those for want of memory", "0, 0", fmt.Sprintf("%d, %d", restarts, killed)},
	}, nil
}

// attack has the tenant's worker drained, too, of pods that may not be evicted.
func (b *bench) attack(ctx context.Context, tc *v1alpha1.TenantCluster) (*hostile.Attack, error) {
	config, err := b.config(ctx, tc)
	if err != nil {
		return nil, err
	}
	tenant, err := client.New(config, client.Options{Scheme: b.types})
	if err != nil {
		return nil, err
	}
	nodes := &corev1.NodeList{}
	if err := tenant.List(ctx, nodes); err != nil {
		return nil, fmt.Errorf("list nodes of %s: %w", tc.Name, err)
	}
	if len(nodes.Items) == 0 {
		return nil, fmt.Errorf("%s is Ready and has no node", tc.Name)
	}
	attack, err := hostile.Start(ctx, config, blackhole, nodes.Items[0].Name, "")
	if err != nil {
		return nil, fmt.Errorf("make %s hostile: %w", tc.Name, err)
	}
	if err := b.scale(ctx, tc, 0); err != nil {
		attack.Stop()
		return nil, err
	}
	return attack, nil
}

// medianReady creates and deletes control planes, one after the other.
func (b *bench) medianReady(ctx context.Context, prefix string) (time.Duration, error) {
	var ready []time.Duration
	for n := range samples {
		tc := newTenant(fmt.Sprintf("%s-%d", prefix, n), 0)
		took, err := b.createReady(ctx, tc)
		if err != nil {
			return 0, err
		}
		ready = append(ready, took)
		if _, err := b.delete(ctx, tc); err != nil {
			return 0, err
		}
	}
	return median(ready), nil
}

func (b *bench) operatorPods(ctx context.Context) ([]corev1.Pod, error) {
	pods := &corev1.PodList{}
	if err := b.client.List(ctx, pods, client.InNamespace(operatorNamespace)); err != nil {
		return nil, fmt.Errorf("list pods of operators: %w", err)
	}
	return pods.Items, nil
}

// losses counts how often containers were started anew, alone or with their
// pods, and how many of them had been ended for want of memory.
func losses(before, after []corev1.Pod) (restarts, killed int32) {
	earlier := map[types.UID]map[string]int32{}
	for _, pod := range before {
		earlier[pod.UID] = map[string]int32{}
		for _, container := range pod.Status.ContainerStatuses {
			earlier[pod.UID][container.Name] = container.RestartCount
		}
	}
	for _, pod := range after {
		known, there := earlier[pod.UID]
		for _, container := range pod.Status.ContainerStatuses {
			count := container.RestartCount - known[container.Name]
			ended := container.LastTerminationState.Terminated
			if count > 0 && ended != nil && ended.Reason == outOfMemory {
				killed++
			}
			if !there {
				count++
			}
			restarts += count
		}
	}
	return restarts, killed
}
