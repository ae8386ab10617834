package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"slipway.dev/api/v1alpha1"
)

// usage is working sets in bytes: of one tenant's control plane, without its
// guests, and of all operators and the agent.
type usage struct {
	plane, operators int64
}

// idleMemory is what a tenant uses that has been left alone for a while.
func (b *bench) idleMemory(ctx context.Context, tc *v1alpha1.TenantCluster) (usage, error) {
	if err := b.settle(ctx, tc); err != nil {
		return usage{}, err
	}
	return b.memory(ctx, v1alpha1.HostedNamespace(tc.Namespace, tc.Name))
}

// summary is the part of the kubelet's /stats/summary that is read here.
type summary struct {
	Pods []struct {
		PodRef struct{ Name, Namespace string }
		Memory struct{ WorkingSetBytes int64 }
	}
}

func (b *bench) memory(ctx context.Context, hosted string) (total usage, err error) {
	nodes := &corev1.NodeList{}
	if err := b.client.List(ctx, nodes); err != nil {
		return total, fmt.Errorf("list nodes: %w", err)
	}
	for i := range nodes.Items {
		name := nodes.Items[i].Name
		data, err := b.stats.Get().Resource("nodes").Name(name).SubResource("proxy", "stats", "summary").DoRaw(ctx)
		if err != nil {
			return total, fmt.Errorf("read statistics of %s: %w", name, err)
		}
		var s summary
		if err := json.Unmarshal(data, &s); err != nil {
			return total, fmt.Errorf("read statistics of %s: %w", name, err)
		}
		for _, pod := range s.Pods {
			switch {
			case pod.PodRef.Namespace == hosted && !strings.HasPrefix(pod.PodRef.Name, "virt-launcher-"):
				total.plane += pod.Memory.WorkingSetBytes
			case pod.PodRef.Namespace == operatorNamespace:
				total.operators += pod.Memory.WorkingSetBytes
			}
		}
	}
	return total, nil
}

func mebibytes(bytes int64) string { return fmt.Sprintf("%d MiB", bytes>>20) }
