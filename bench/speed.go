package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/watch"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/tenantapi"
)

// speed creates and deletes one tenant after another. The first also shows
// what it costs when it is idle, and how long a second worker takes.
func (b *bench) speed(ctx context.Context, rounds int) ([]figure, error) {
	var apiReady, workerReady, deleted []time.Duration
	var second time.Duration
	var idle usage
	for round := range rounds {
		tc := newTenant(fmt.Sprintf("bench-%d", round), 1)
		created, err := b.create(ctx, tc)
		if err != nil {
			return nil, err
		}
		apiReady = append(apiReady, created.apiReady)
		workerReady = append(workerReady, created.workerReady)
		if round == 0 {
			if idle, err = b.idleMemory(ctx, tc); err != nil {
				return nil, err
			}
			if second, err = b.secondWorker(ctx, tc); err != nil {
				return nil, err
			}
		}
		gone, err := b.delete(ctx, tc)
		if err != nil {
			return nil, err
		}
		deleted = append(deleted, gone)
		fmt.Printf("round %d: API %s, worker %s, deleted %s\n", round+1,
			seconds(created.apiReady), seconds(created.workerReady), seconds(gone))
	}
	p50 := func(what string) string { return fmt.Sprintf("%s, p50 of %d", what, rounds) }
	return []figure{
		{p50("apply -> tenant API ready"), "12 s", seconds(median(apiReady))},
		{p50("apply -> first worker Ready"), "45 s", seconds(median(workerReady))},
		{"second worker of an idle tenant, apply -> Ready", "35 s", seconds(second)},
		{p50("delete -> nothing left"), "30 s", seconds(median(deleted))},
		{"memory of one idle tenant control plane", "450 MiB", mebibytes(idle.plane)},
		{"all five operators and the agent together, idle", "80 MiB", mebibytes(idle.operators)},
	}, nil
}

// created says how long after its creation a tenant was ready.
type created struct {
	apiReady, workerReady time.Duration
}

// create measures how long after its creation a tenant's API answers its
// team, and its first worker is Ready.
func (b *bench) create(ctx context.Context, tc *v1alpha1.TenantCluster) (created, error) {
	var result created
	start := time.Now()
	if err := b.client.Create(ctx, tc); err != nil {
		return result, fmt.Errorf("create %s: %w", tc.Name, err)
	}
	err := b.follow(ctx, tc, func(_ watch.EventType, current *v1alpha1.TenantCluster) bool {
		return current.Status.KubeconfigSecretName != ""
	})
	if err != nil {
		return result, err
	}
	if err := b.awaitAPI(ctx, tc); err != nil {
		return result, err
	}
	result.apiReady = time.Since(start)
	err = b.follow(ctx, tc, func(_ watch.EventType, current *v1alpha1.TenantCluster) bool { return workers(current) == 1 })
	result.workerReady = time.Since(start)
	return result, err
}

// awaitAPI asks with the team's kubeconfig until the API says that it is ready.
func (b *bench) awaitAPI(ctx context.Context, tc *v1alpha1.TenantCluster) error {
	config, err := b.config(ctx, tc)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return tenantapi.AwaitReadyz(ctx, config, 50*time.Millisecond)
}

// secondWorker measures how long an idle tenant waits for one worker more.
func (b *bench) secondWorker(ctx context.Context, tc *v1alpha1.TenantCluster) (time.Duration, error) {
	start := time.Now()
	if err := b.scale(ctx, tc, 2); err != nil {
		return 0, err
	}
	err := b.follow(ctx, tc, func(_ watch.EventType, current *v1alpha1.TenantCluster) bool { return workers(current) == 2 })
	return time.Since(start), err
}

func workers(tc *v1alpha1.TenantCluster) int32 {
	if tc.Status.Workers == nil || tc.Status.ObservedGeneration != tc.Generation {
		return 0
	}
	return tc.Status.Workers.Ready
}

func median(values []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
