// Command cluster-operator runs the control planes of tenant clusters, and
// writes the objects by which the other operators learn what a tenant needs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/operator"
	"slipway.dev/operators/cluster/desired"
	"slipway.dev/operators/cluster/hosted"
	"slipway.dev/operators/cluster/reconcilers/orphans"
	"slipway.dev/operators/cluster/reconcilers/tenantaddons"
	"slipway.dev/operators/cluster/reconcilers/tenantcluster"
	"slipway.dev/operators/cluster/reconcilers/tenantetcd"
)

func main() {
	var options operator.Options
	var config desired.Config
	var namespace string
	options.Bind(flag.CommandLine)
	flag.StringVar(&config.Images.Registry, "image-registry", "registry.slipway.internal", "prefix of every container image")
	flag.StringVar(&config.Images.EtcdTag, "etcd-image-tag", "v3.7.3", "tag of the image etcd")
	flag.StringVar(&config.Images.CoreDNSTag, "coredns-image-tag", "v1.15.0", "tag of the image coredns")
	flag.Func("image-digest", "an image's digest, NAME:TAG@sha256:DIGEST; may be repeated, and where one image of the control planes has a digest, all must", config.Images.Digests.Add)
	flag.StringVar(&config.ExposureHost, "exposure-host", "", "name or address at which NodePorts of the management cluster are reached from outside")
	flag.StringVar(&config.BaseDomain, "base-domain", "", "domain of the tenants' DNS names, as the dns-operator has it; API servers are valid for their names below it")
	flag.StringVar(&namespace, "operator-namespace", "slipway-system", "namespace of the operators and their service accounts")
	flag.Parse()
	options.NewCache = hosted.NewCache
	config.Images.Registry = strings.TrimSuffix(config.Images.Registry, "/")
	config.BaseDomain = strings.Trim(config.BaseDomain, ".")
	if err := run(options, config, namespace); err != nil {
		fmt.Fprintln(os.Stderr, "cluster-operator:", err)
		os.Exit(1)
	}
}

func run(options operator.Options, config desired.Config, namespace string) error {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme, rbacv1.AddToScheme, admissionv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return fmt.Errorf("register types: %w", err)
		}
	}
	target, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find management cluster: %w", err)
	}
	cacheOptions, err := hosted.CacheOptions()
	if err != nil {
		return err
	}
	manager, err := options.NewManager(target, "cluster-operator", scheme, cacheOptions)
	if err != nil {
		return err
	}
	ctx := ctrl.SetupSignalHandler()
	if err := setUp(ctx, manager, config, namespace); err != nil {
		return err
	}
	if err := manager.Start(ctx); err != nil {
		return fmt.Errorf("run manager: %w", err)
	}
	return nil
}

func setUp(ctx context.Context, manager ctrl.Manager, config desired.Config, namespace string) error {
	if err := hosted.Index(ctx, manager); err != nil {
		return err
	}
	c := manager.GetClient()
	reader := hosted.NewReader(c, manager.GetAPIReader())
	grants := hosted.NewGrants(c, namespace)
	recorder := manager.GetEventRecorder("cluster-operator")
	now := clock.RealClock{}
	return errors.Join(
		tenantcluster.New(c, reader, grants, config, now, recorder).SetupWithManager(manager),
		tenantaddons.New(c, reader.Live, config.Images, now).SetupWithManager(ctx, manager),
		tenantetcd.New(c, reader.Live, new(net.Dialer).DialContext, now, recorder).SetupWithManager(manager),
		orphans.New(c, reader, grants, now, recorder).SetupWithManager(manager),
	)
}
