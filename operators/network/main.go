// network-operator gives tenants' networks and NICs their identity. What makes
// packets flow is the node agent's.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"

	nadv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/operator"
	"slipway.dev/operators/network/reconcilers/hostnetwork"
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
	var agentNamespace string
	flag.StringVar(&agentNamespace, "agent-namespace", "", "namespace of the network-agents' pods, needed")
	flag.Parse()
	if agentNamespace == "" {
		return errors.New("--agent-namespace is missing")
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme), nadv1.AddToScheme(scheme)); err != nil {
		return err
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the API server: %w", err)
	}
	manager, err := options.NewManager(config, "network-operator", scheme, hostnetwork.CacheOptions(agentNamespace))
	if err != nil {
		return err
	}
	c, live, events := manager.GetClient(), manager.GetAPIReader(), manager.GetEventRecorder("network-operator")
	networks := &tenantnetwork.Reconciler{
		Client: c, Live: live, Writer: apply.NewWriter(c, tenantnetwork.Owner), Events: tenantnetwork.Events{EventRecorder: events},
	}
	ports := &networkport.Reconciler{
		Client: c, Live: live, Writer: apply.NewWriter(c, networkport.Owner), Events: networkport.Events{EventRecorder: events},
	}
	hosts := &hostnetwork.Reconciler{
		Client: c, Writer: apply.NewWriter(c, hostnetwork.Owner), Events: hostnetwork.Events{EventRecorder: events}, AgentNamespace: agentNamespace,
	}
	ctx := ctrl.SetupSignalHandler()
	if err := errors.Join(networks.SetupWithManager(manager), ports.SetupWithManager(manager), hosts.SetupWithManager(ctx, manager)); err != nil {
		return err
	}
	return manager.Start(ctx)
}
