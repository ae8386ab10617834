// Command cert-operator makes the certificates and keys of tenants through
// cert-manager.
package main

import (
	"flag"
	"fmt"
	"os"

	cmv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/operator"
	"slipway.dev/operators/cert/reconcilers/tenantpki"
)

func main() {
	var options operator.Options
	options.Bind(flag.CommandLine)
	options.NewCache = tenantpki.NewCache
	flag.Parse()
	if err := run(options); err != nil {
		fmt.Fprintln(os.Stderr, "cert-operator:", err)
		os.Exit(1)
	}
}

func run(options operator.Options) error {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, rbacv1.AddToScheme, v1alpha1.AddToScheme, cmv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return fmt.Errorf("register types: %w", err)
		}
	}
	cacheOptions, err := tenantpki.CacheOptions()
	if err != nil {
		return err
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find management cluster: %w", err)
	}
	manager, err := options.NewManager(config, "cert-operator", scheme, cacheOptions)
	if err != nil {
		return err
	}
	reconciler := &tenantpki.Reconciler{
		Client: manager.GetClient(), Events: tenantpki.Events{EventRecorder: manager.GetEventRecorder("cert-operator")}, Clock: clock.RealClock{},
	}
	if err := reconciler.SetupWithManager(manager); err != nil {
		return err
	}
	return manager.Start(ctrl.SetupSignalHandler())
}
