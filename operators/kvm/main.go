// The kvm-operator gives tenants their workers: NodePool -> Machine -> KubeVirt
// VirtualMachine -> Node.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/util/sets"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	kubevirtv1 "kubevirt.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/grants"
	"slipway.dev/kit/operator"
	"slipway.dev/operators/kvm/bootstrap"
	"slipway.dev/operators/kvm/reconcilers/csr"
	"slipway.dev/operators/kvm/reconcilers/machine"
	"slipway.dev/operators/kvm/reconcilers/nodepool"
	"slipway.dev/operators/kvm/tenant"
)

const name = "kvm-operator"

func main() {
	var shared operator.Options
	var options machine.Options
	shared.Bind(flag.CommandLine)
	bind(flag.CommandLine, &options)
	flag.Parse()
	shared.NewCache = newCache
	if err := run(shared, options); err != nil {
		fmt.Fprintln(os.Stderr, name+":", err)
		os.Exit(1)
	}
}

func bind(flags *flag.FlagSet, options *machine.Options) {
	flags.StringVar(&options.Registry, "registry", "registry.slipway.internal", "registry of the guests' images")
	flags.Func("image-digest", "an image's digest, guest:VERSION@sha256:DIGEST; may be repeated, and where one version has a digest, all must", options.Digests.Add)
	flags.DurationVar(&options.DrainTimeout, "drain-timeout", time.Minute, "how long pods have to leave a worker that is removed")
	options.JoinTimeout = 10 * time.Minute
	flags.Func("join-timeout", "how long a guest that runs has to become a node before it is started anew (default 10m)", func(s string) (err error) {
		if options.JoinTimeout, err = time.ParseDuration(s); err == nil && options.JoinTimeout <= 0 {
			err = errors.New("give a positive duration, for example 10m: no guest joins at once")
		}
		return err
	})
	flags.Func("guest-cpu-request-per-core", "CPU that the scheduler sets aside for each core of a guest, for example 100m; by default a tenth of a core", func(s string) (err error) {
		options.GuestCPURequestPerCore, err = resource.ParseQuantity(s)
		return err
	})
	flags.StringVar(&options.GuestKernelArgs, "guest-kernel-args", "", "further arguments of the guests' kernels")
	flags.Func("nameservers", "addresses of the guests' name servers, separated by commas", func(s string) error {
		options.Nameservers = nil
		for text := range strings.SplitSeq(s, ",") {
			if text = strings.TrimSpace(text); text == "" {
				continue
			}
			address, err := netip.ParseAddr(text)
			if err != nil {
				return err
			}
			options.Nameservers = append(options.Nameservers, address)
		}
		return nil
	})
}

func run(shared operator.Options, options machine.Options) error {
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find API server: %w", err)
	}
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	manager, err := shared.NewManager(config, name, scheme, cacheOptions())
	if err != nil {
		return err
	}
	ctx := ctrl.SetupSignalHandler()
	if err := setup(ctx, manager, options, clock.RealClock{}); err != nil {
		return err
	}
	return manager.Start(ctx)
}

// setup registers the controllers and what wakes them.
func setup(ctx context.Context, manager ctrl.Manager, options machine.Options, clock clock.PassiveClock) error {
	fleet, err := tenant.New(manager.GetScheme(), manager.GetAPIReader())
	if err != nil {
		return err
	}
	if err := manager.Add(fleet); err != nil {
		return fmt.Errorf("add connections to tenants: %w", err)
	}
	c, events := manager.GetClient(), manager.GetEventRecorder(name)
	nodePools := &nodepool.Reconciler{
		Client: c, Live: manager.GetAPIReader(), Writer: apply.NewWriter(c, nodepool.Owner), Events: nodepool.Events{EventRecorder: events},
	}
	if err := nodePools.SetupWithManager(manager); err != nil {
		return fmt.Errorf("set up NodePools: %w", err)
	}
	machines := &machine.Reconciler{
		Client: c, Writer: apply.NewWriter(c, machine.Owner), Tenants: fleet, Refusals: fleet.Refusals,
		Events: machine.Events{EventRecorder: events}, Options: options, Clock: clock,
	}
	if err := machines.SetupWithManager(ctx, manager, fleet); err != nil {
		return fmt.Errorf("set up Machines: %w", err)
	}
	requests := &csr.Reconciler{
		Client: c, Tenants: fleet, Requests: fleet.Requests, Refusals: fleet.Refusals, Events: csr.Events{EventRecorder: events},
	}
	if err := requests.SetupWithManager(manager); err != nil {
		return fmt.Errorf("set up certificate approval: %w", err)
	}
	return nil
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme, kubevirtv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("register API types: %w", err)
		}
	}
	return scheme, nil
}

// newCache keeps Secrets of hosted namespaces alone.
var newCache = grants.NewCache(v1alpha1.GrantKVMOperator, v1alpha1.HostedRole(v1alpha1.GrantKVMOperator))

// secretKeys are what is read of Secrets through the cache.
var secretKeys = sets.New("ca.crt", corev1.BasicAuthUsernameKey, corev1.BasicAuthPasswordKey, bootstrap.TokenIDKey, bootstrap.TokenSecretKey)

// trimSecret drops what is not read, private keys above all.
func trimSecret(o any) (any, error) {
	if secret, ok := o.(*corev1.Secret); ok {
		secret.ManagedFields = nil
		maps.DeleteFunc(secret.Data, func(key string, _ []byte) bool { return !secretKeys.Has(key) })
	}
	return o, nil
}

// cacheOptions leave out what is no tenant's: Secrets and virtual machines of
// others are neither kept in memory nor looked at.
func cacheOptions() cache.Options {
	ofTenants, err := labels.NewRequirement(v1alpha1.LabelTenant, selection.Exists, nil)
	if err != nil {
		panic(err) // the label is a constant
	}
	selected := cache.ByObject{Label: labels.NewSelector().Add(*ofTenants)}
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Secret{}:                     {Label: selected.Label, Transform: trimSecret},
			&kubevirtv1.VirtualMachine{}:         selected,
			&kubevirtv1.VirtualMachineInstance{}: selected,
		},
	}
}
