package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
)

// deadAPI measures how long a tenant whose API server says nothing any more is
// called Ready. Its processes are stopped and not ended: connections stay open,
// new ones are taken by the kernel, and nobody answers, as when a machine dies.
func (b *bench) deadAPI(ctx context.Context) (figures []figure, err error) {
	tc := newTenant("dead", 0)
	if _, err := b.createReady(ctx, tc); err != nil {
		return nil, err
	}
	if err := leaveAlone(ctx, idle); err != nil {
		return nil, err
	}
	pod := &corev1.Pod{}
	key := client.ObjectKey{Namespace: v1alpha1.HostedNamespace(tc.Namespace, tc.Name), Name: "kube-apiserver-0"}
	if err := b.client.Get(ctx, key, pod); err != nil {
		return nil, fmt.Errorf("read the tenant's API server: %w", err)
	}
	start := time.Now()
	if err := signalProcesses(ctx, b.nodeCommand, cgroups, pod.UID, "STOP"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.revive(ctx, tc, pod.UID)) }()
	err = b.follow(ctx, tc, func(_ watch.EventType, current *v1alpha1.TenantCluster) bool {
		return !meta.IsStatusConditionTrue(current.Status.Conditions, v1alpha1.ConditionReady)
	})
	if err != nil {
		return nil, err
	}
	return []figure{{"tenant API dead without a word -> condition says so", "15 s", seconds(time.Since(start))}}, nil
}

// revive lets the API server run again, and removes the tenant.
func (b *bench) revive(ctx context.Context, tc *v1alpha1.TenantCluster, pod types.UID) error {
	if err := signalProcesses(context.WithoutCancel(ctx), b.nodeCommand, cgroups, pod, "CONT"); err != nil {
		return err
	}
	_, err := b.delete(ctx, tc)
	return err
}

// signalPod sends a signal to all processes of a pod, which it finds by the
// pod's cgroup, in whichever hierarchy. What is in none of the node's process
// namespaces reads as 0.
const signalPod = `pids=$(find "$1" -path "*pod$2*" -name cgroup.procs -exec cat {} + | grep -vx 0 | sort -u)
test -n "$pids" || { echo "no process of pod $2 below $1" >&2; exit 1; }
kill -s "$3" $pids`

// cgroups is where a node has its cgroups.
const cgroups = "/sys/fs/cgroup"

func signalProcesses(ctx context.Context, nodeCommand []string, root string, pod types.UID, name string) error {
	command := slices.Concat(nodeCommand, []string{"sh", "-c", signalPod, "sh", root, string(pod), name})
	if output, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("send %s to pod %s: %w\n%s", name, pod, err, output)
	}
	return nil
}
