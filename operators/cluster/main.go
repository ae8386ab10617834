// Command cluster-operator runs the control planes of tenant clusters, and
// tells the other operators what a tenant needs.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/operator"
	"slipway.dev/operators/cluster/reconcilers/tenantcluster"
)

func main() {
	var options operator.Options
	var config tenantcluster.Config
	options.Bind(flag.CommandLine)
	flag.StringVar(&config.Images.Registry, "image-registry", "registry.slipway.internal", "prefix of every container image")
	flag.StringVar(&config.Images.EtcdTag, "etcd-image-tag", "v3.7.3", "tag of the image etcd")
	flag.StringVar(&config.Images.CoreDNSTag, "coredns-image-tag", "v1.15.0", "tag of the image coredns")
	flag.StringVar(&config.ExposureHost, "exposure-host", "", "name or address at which NodePorts of the management cluster are reached from outside")
	flag.StringVar(&config.BaseDomain, "base-domain", "", "domain of the tenants' DNS names, as the dns-operator has it; API servers are valid for their names below it")
	flag.Parse()
	config.Images.Registry = strings.TrimSuffix(config.Images.Registry, "/")
	config.BaseDomain = strings.Trim(config.BaseDomain, ".")
	if err := run(options, config); err != nil {
		fmt.Fprintln(os.Stderr, "cluster-operator:", err)
		os.Exit(1)
	}
}

func run(options operator.Options, config tenantcluster.Config) error {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme, rbacv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return fmt.Errorf("register types: %w", err)
		}
	}
	target, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find management cluster: %w", err)
	}
	cacheOptions, err := tenantcluster.CacheOptions()
	if err != nil {
		return err
	}
	manager, err := options.NewManager(target, "cluster-operator", scheme, cacheOptions)
	if err != nil {
		return err
	}
	reconciler := &tenantcluster.Reconciler{
		Client: manager.GetClient(), Live: manager.GetAPIReader(), Config: config, Now: time.Now,
	}
	ctx := ctrl.SetupSignalHandler()
	if err := reconciler.SetupWithManager(ctx, manager); err != nil {
		return err
	}
	if err := manager.Start(ctx); err != nil {
		return fmt.Errorf("run manager: %w", err)
	}
	return nil
}
