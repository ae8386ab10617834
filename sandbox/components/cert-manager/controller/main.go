// Command controller is cert-manager's controller for CA and self-signed issuers: cert-manager's own packages, with a
// main of ours because the module with cert-manager's is not published. It takes the flags that cert-manager's Helm
// chart passes; the ACME ones have no effect, as ACME, Vault and Venafi are left out.
//
// Its mains for the webhook and the cainjector are not published either, and the webhook's package is internal. The
// custom resources work without them: they have a single version, so nothing is converted, and their schemas validate.
// What the sandbox lacks is the webhook's finer validation, which clusters with a full cert-manager add.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"

	"github.com/cert-manager/cert-manager/pkg/controller"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/approver"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/ca"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/selfsigned"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/issuing"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/keymanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/metrics"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/readiness"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/requestmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/revisionmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/trigger"
	_ "github.com/cert-manager/cert-manager/pkg/controller/clusterissuers"
	_ "github.com/cert-manager/cert-manager/pkg/controller/issuers"
	"github.com/cert-manager/cert-manager/pkg/healthz"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/ca"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/selfsigned"
)

// workers per controller, as in cert-manager.
const workers = 5

// options are what the flags say.
type options struct {
	kubeconfig, clusterNamespace, leaderNamespace string
	lease, renew, retry                           time.Duration
	healthz, metrics                              string
}

func main() {
	o := parseFlags()
	log := logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, nil))
	klog.SetLogger(log)
	ctx, stop := signal.NotifyContext(logr.NewContext(context.Background(), log), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil && !errors.Is(err, context.Canceled) {
		log.Error(err, "cert-manager controller ends")
		os.Exit(1)
	}
}

func parseFlags() options {
	var o options
	flags := pflag.CommandLine
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig file; in a pod not needed")
	flags.StringVar(&o.clusterNamespace, "cluster-resource-namespace", "kube-system", "namespace of the Secrets of ClusterIssuers")
	flags.StringVar(&o.leaderNamespace, "leader-election-namespace", "", "namespace of the leader's Lease; empty runs without leader election")
	flags.DurationVar(&o.lease, "leader-election-lease-duration", 60*time.Second, "how long a silent leader keeps its Lease")
	flags.DurationVar(&o.renew, "leader-election-renew-deadline", 40*time.Second, "how long the leader tries to renew")
	flags.DurationVar(&o.retry, "leader-election-retry-period", 15*time.Second, "time between two attempts")
	flags.StringVar(&o.healthz, "healthz-listen-address", "0.0.0.0:9403", "address of /livez")
	flags.StringVar(&o.metrics, "metrics-listen-address", "0.0.0.0:9402", "address of /metrics")
	flags.Int("v", 2, "ignored")
	flags.String("acme-http01-solver-image", "", "ignored")
	flags.Int("max-concurrent-challenges", 60, "ignored")
	pflag.Parse()
	return o
}

func run(ctx context.Context, o options) error {
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return err
	}
	factory, err := controller.NewContextFactory(ctx, controller.ContextOptions{
		Kubeconfig:         o.kubeconfig,
		KubernetesAPIQPS:   50,
		KubernetesAPIBurst: 100,
		IssuerOptions:      controller.IssuerOptions{ClusterResourceNamespace: o.clusterNamespace},
		CertificateOptions: controller.CertificateOptions{
			CopiedAnnotationPrefixes:                 []string{"*", "-kubectl.kubernetes.io/", "-fluxcd.io/", "-argocd.argoproj.io/"},
			CertificateRequestMinimumBackoffDuration: time.Hour,
			CertificateRequestMaximumBackoffDuration: 32 * time.Hour,
		},
	})
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	health := healthz.NewServer(o.lease)
	if err := serve(ctx, group, o, factory, health); err != nil {
		return err
	}
	group.Go(func() error {
		if o.leaderNamespace == "" {
			return runControllers(ctx, factory)
		}
		return lead(ctx, config, o, health, func(ctx context.Context) error { return runControllers(ctx, factory) })
	})
	return group.Wait()
}

// serve answers health checks and scrapes until ctx ends.
func serve(ctx context.Context, group *errgroup.Group, o options, factory *controller.ContextFactory, health *healthz.Server) error {
	root, err := factory.Build()
	if err != nil {
		return err
	}
	healthListener, err := net.Listen("tcp", o.healthz)
	if err != nil {
		return err
	}
	metricsListener, err := net.Listen("tcp", o.metrics)
	if err != nil {
		return err
	}
	server := root.Metrics.NewServer(metricsListener)
	group.Go(func() error { return health.Start(ctx, healthListener) })
	group.Go(func() error {
		if err := server.Serve(metricsListener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		return server.Close()
	})
	return nil
}

// lead runs the controllers while this process holds the Lease, and fails when it loses it.
func lead(ctx context.Context, config *rest.Config, o options, health *healthz.Server, controllers func(context.Context) error) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	ctx, end := context.WithCancelCause(ctx)
	leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Name: "cert-manager-controller", Namespace: o.leaderNamespace},
			Client:     client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: fmt.Sprintf("%s-%d", host, os.Getpid())},
		},
		LeaseDuration:   o.lease,
		RenewDeadline:   o.renew,
		RetryPeriod:     o.retry,
		ReleaseOnCancel: true,
		WatchDog:        health.LeaderHealthzAdaptor,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(ctx context.Context) { end(controllers(ctx)) },
			OnStoppedLeading: func() {},
		},
	})
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return errors.New("lost the leader's Lease")
}

// runControllers runs every registered controller. Both informer factories must be started, and only after each
// controller has asked them for its informers.
func runControllers(ctx context.Context, factory *controller.ContextFactory) error {
	root, err := factory.Build()
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for name, construct := range controller.Known() {
		instance, err := construct(factory)
		if err != nil {
			return fmt.Errorf("starting controller %s: %w", name, err)
		}
		group.Go(func() error {
			if err := instance.Run(workers, ctx); err != nil {
				return fmt.Errorf("controller %s: %w", name, err)
			}
			return nil
		})
	}
	root.SharedInformerFactory.Start(ctx.Done())
	root.KubeSharedInformerFactory.Start(ctx.Done())
	return group.Wait()
}
