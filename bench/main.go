// Command bench measures what the README says about speed, memory and
// neighbours, on the sandbox that the environment names (sandbox e2e-environment).
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// figure is one row of the table.
type figure struct {
	name   string
	target string
	value  string
}

// options say how long to look.
type options struct {
	rounds  int
	settled time.Duration
	only    string
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "tenants to create and delete, one after the other")
	flag.DurationVar(&o.settled, "settled", 10*time.Minute, "how long settled tenants are watched for writes")
	flag.StringVar(&o.only, "only", "", "measure one topic only: speed, settled, dead or hostile")
	flag.Parse()
	log.SetLogger(logr.Discard()) // the table is all that is wanted
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run prints what was measured also when something could not be.
func run(ctx context.Context, o options) error {
	b, err := newBench()
	if err != nil {
		return err
	}
	figures, err := b.measure(ctx, o)
	fmt.Printf("\n%-72s %12s %10s\n", "", "measured", "to reach")
	for _, f := range figures {
		fmt.Printf("%-72s %12s %10s\n", f.name, f.value, f.target)
	}
	return err
}

// measure ends with what leaves the most behind.
func (b *bench) measure(ctx context.Context, o options) (all []figure, err error) {
	for _, topic := range []struct {
		name    string
		measure func(context.Context) ([]figure, error)
	}{
		{"speed", func(ctx context.Context) ([]figure, error) { return b.speed(ctx, o.rounds) }},
		{"settled", func(ctx context.Context) ([]figure, error) { return b.settled(ctx, o.settled) }},
		{"dead", b.deadAPI},
		{"hostile", b.hostileNeighbour},
	} {
		if o.only != "" && o.only != topic.name {
			continue
		}
		figures, err := topic.measure(ctx)
		all = append(all, figures...)
		if err != nil {
			return all, err
		}
	}
	return all, nil
}
