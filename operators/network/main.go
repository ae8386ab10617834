// network-operator gives tenants' networks and NICs their identity. What makes
// packets flow is the node agent's.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"

	nadv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/operator"
	"slipway.dev/operators/network/reconcilers/networkport"
	"slipway.dev/operators/network/reconcilers/tenantnetwork"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "network-operator:", err)
		os.Exit(1)
	}
}

func run() error {
	var options operator.Options
	options.Bind(flag.CommandLine)
	flag.Parse()
	scheme := runtime.NewScheme()
	if err := errors.Join(v1alpha1.AddToScheme(scheme), nadv1.AddToScheme(scheme)); err != nil {
		return err
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the API server: %w", err)
	}
	manager, err := options.NewManager(config, "network-operator", scheme, cache.Options{})
	if err != nil {
		return err
	}
	networks := &tenantnetwork.Reconciler{Client: manager.GetClient(), Live: manager.GetAPIReader()}
	ports := &networkport.Reconciler{Client: manager.GetClient(), Live: manager.GetAPIReader()}
	if err := errors.Join(networks.SetupWithManager(manager), ports.SetupWithManager(manager)); err != nil {
		return err
	}
	return manager.Start(ctrl.SetupSignalHandler())
}
