package main

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/e2e/audit"
)

// settledTenants are there at the same time.
const settledTenants = 5

// settled counts what the operators write while nothing happens.
func (b *bench) settled(ctx context.Context, duration time.Duration) ([]figure, error) {
	var tenants []*v1alpha1.TenantCluster
	for n := range settledTenants {
		tenants = append(tenants, newTenant(fmt.Sprintf("settled-%d", n), 0))
		if err := b.client.Create(ctx, tenants[n]); err != nil {
			return nil, fmt.Errorf("create %s: %w", tenants[n].Name, err)
		}
	}
	for _, tc := range tenants {
		if err := b.awaitReady(ctx, tc); err != nil {
			return nil, err
		}
	}
	if err := leaveAlone(ctx, idle); err != nil {
		return nil, err
	}
	start := time.Now()
	if err := leaveAlone(ctx, duration); err != nil {
		return nil, err
	}
	written, err := writes(audit.Open(b.auditLog), start, time.Now())
	if err != nil {
		return nil, err
	}
	total := 0
	for _, what := range slices.Sorted(maps.Keys(written)) {
		fmt.Printf("written by settled operators: %s, %d times\n", what, written[what])
		total += written[what]
	}
	for _, tc := range tenants {
		if _, err := b.delete(ctx, tc); err != nil {
			return nil, err
		}
	}
	name := fmt.Sprintf("writes of all operators in %s on %d settled tenants, leases aside", duration, settledTenants)
	return []figure{{name, "0", fmt.Sprint(total)}}, nil
}

// writes counts the requests of a time that change something, by who asked for
// what. Leases are written to say that somebody is there.
func writes(requests iter.Seq2[audit.Request, error], from, to time.Time) (map[string]int, error) {
	counts := map[string]int{}
	for request, err := range requests {
		if err != nil {
			return nil, err
		}
		if !request.Writes() || request.Resource == "leases" || request.Received.Before(from) || request.Received.After(to) {
			continue
		}
		account := request.User[strings.LastIndex(request.User, ":")+1:]
		counts[fmt.Sprintf("%s: %s %s %s/%s", account, request.Verb, request.Resource, request.Namespace, request.Name)]++
	}
	return counts, nil
}
