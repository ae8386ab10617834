// Command bench measures what the README says about speed and memory, on the
// management cluster that KUBECONFIG names.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"slipway.dev/api/v1alpha1"
)

// figure is one row of the table.
type figure struct {
	name   string
	target string
	value  string
}

func main() {
	rounds := flag.Int("rounds", 5, "tenants to create and delete")
	flag.Parse()
	log.SetLogger(logr.Discard()) // the table is all that is wanted
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, rounds int) error {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return fmt.Errorf("read KUBECONFIG: %w", err)
	}
	types := runtime.NewScheme()
	if err := errors.Join(scheme.AddToScheme(types), v1alpha1.AddToScheme(types)); err != nil {
		return err
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: types})
	if err != nil {
		return err
	}
	nodes, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	b := bench{client: c, stats: nodes.CoreV1().RESTClient()}
	figures, err := b.measure(ctx, rounds)
	if err != nil {
		return err
	}
	fmt.Printf("\n%-52s %12s %10s\n", "", "measured", "to reach")
	for _, f := range figures {
		fmt.Printf("%-52s %12s %10s\n", f.name, f.value, f.target)
	}
	return nil
}

// measure creates and deletes one tenant after another. The first also shows
// what it costs when it is idle, and how long a second worker takes.
func (b *bench) measure(ctx context.Context, rounds int) ([]figure, error) {
	var apiReady, workerReady, deleted []time.Duration
	var second time.Duration
	var plane, operators int64
	for round := range rounds {
		tc := newTenant(round)
		created, err := b.create(ctx, tc)
		if err != nil {
			return nil, err
		}
		apiReady = append(apiReady, created.apiReady)
		workerReady = append(workerReady, created.workerReady)
		if round == 0 {
			if err := b.settle(ctx, tc); err != nil {
				return nil, err
			}
			if plane, operators, err = b.memory(ctx, v1alpha1.HostedNamespace(tc.Namespace, tc.Name)); err != nil {
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
		{"memory of one idle tenant control plane", "450 MiB", mebibytes(plane)},
		{"all five operators and the agent together, idle", "250 MiB", mebibytes(operators)},
	}, nil
}

func median(values []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

func mebibytes(bytes int64) string { return fmt.Sprintf("%d MiB", bytes>>20) }
