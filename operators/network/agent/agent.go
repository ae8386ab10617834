// Package agent keeps one management node's part of the fabric as it should be,
// and plugs NICs in when the CNI plugin asks for it.
package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/operators/network/cni/socket"
	"slipway.dev/operators/network/fabric"
	"slipway.dev/operators/network/netlink"
)

const (
	// fullPass is how often everything is compared without an event.
	fullPass = 30 * time.Second
	// settle is the least time between two passes that the kernel's events
	// cause: what a pass changes makes events of its own. Objects that change all
	// the time cause one in that time, too, after a burst of passes without a wait.
	settle = time.Second
	burst  = 20
	// identityWait is how long a NIC waits for its port's identity.
	identityWait = 20 * time.Second
)

// Agent is a manager.Runnable: one node's agent.
type Agent struct {
	// Client reads from caches.
	Client client.Client
	// Live reads from the API server.
	Live client.Reader
	// Writer has the agent's field owner, Owner.
	Writer *apply.Writer
	Host   *netlink.Host
	Config fabric.Config
	// Socket is where the CNI plugin finds the agent.
	Socket string

	// kernel is held by whoever changes the kernel's state.
	kernel sync.Mutex
	// objects is signalled when an object has changed, drift when the kernel has.
	objects signal
	drift   chan struct{}
	// publishing is held by whoever reports.
	publishing sync.Mutex
	refusals   refusals
	// reported is when the outcome of a pass was last reported.
	reported atomic.Pointer[time.Time]
}

// SetupWithManager makes the manager run the node.
func (a *Agent) SetupWithManager(ctx context.Context, mgr manager.Manager) error {
	a.drift = make(chan struct{}, 1)
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { a.objects.fire() },
		UpdateFunc: func(any, any) { a.objects.fire() },
		DeleteFunc: func(any) { a.objects.fire() },
	}
	for _, object := range []client.Object{&v1alpha1.TenantNetwork{}, &v1alpha1.NetworkPort{}, &v1alpha1.HostNetwork{}} {
		informer, err := mgr.GetCache().GetInformer(ctx, object)
		if err != nil {
			return fmt.Errorf("watch %T: %w", object, err)
		}
		if _, err := informer.AddEventHandler(handler); err != nil {
			return fmt.Errorf("watch %T: %w", object, err)
		}
	}
	if err := mgr.AddReadyzCheck("agent", a.Ready); err != nil {
		return fmt.Errorf("add readiness check: %w", err)
	}
	return mgr.Add(a)
}

// NeedLeaderElection is false: every node works for itself.
func (a *Agent) NeedLeaderElection() bool { return false }

// Start runs until ctx ends.
func (a *Agent) Start(ctx context.Context) error {
	if err := a.publishHost(ctx); err != nil {
		return err
	}
	go a.watchKernel(ctx)
	served := make(chan error, 1)
	go func() { served <- socket.Serve(ctx, a.Socket, a.Handle) }()
	return a.repeat(ctx, served, func() {
		if err := a.Sync(ctx); err != nil && ctx.Err() == nil {
			log.FromContext(ctx).Error(err, "Programming the fabric")
		}
	})
}

// repeat passes whenever something has changed, and now and then, until ctx ends
// or CNI calls are served no more. Whoever can make objects change, as a tenant
// can with its Nodes, must not keep every node of the management cluster busy.
func (a *Agent) repeat(ctx context.Context, served <-chan error, pass func()) error {
	ticker := time.NewTicker(fullPass)
	defer ticker.Stop()
	pace := rate.NewLimiter(rate.Every(settle), burst)
	for {
		changed := a.objects.wait()
		pass()
		select {
		case <-ctx.Done():
			return <-served
		case err := <-served:
			return fmt.Errorf("serve CNI calls: %w", err)
		case <-changed:
		case <-a.drift:
		case <-ticker.C:
		}
		_ = pace.Wait(ctx) // fails when ctx ends, which is seen above
	}
}

// Sync compares the node with what it should be, mends it and reports.
func (a *Agent) Sync(ctx context.Context) error {
	a.kernel.Lock()
	outcome, failure := a.pass(ctx)
	a.kernel.Unlock()
	var report error
	if failure != nil {
		report = a.publishBlindness(ctx, failure)
	} else {
		failure, report = outcome.failure, a.publish(ctx, outcome)
	}
	if report != nil {
		return errors.Join(failure, fmt.Errorf("report: %w", report))
	}
	a.reported.Store(new(time.Now()))
	return failure
}

// outcome is what one pass has found and done.
type outcome struct {
	ports       []v1alpha1.NetworkPort
	attachments []fabric.Attachment
	programmed  []v1alpha1.ProgrammedNetwork
	// failure names what could not be changed, left is what there is still to
	// change after it, and present what is on the node then.
	failure error
	left    fabric.Changes
	desired fabric.State
	present []v1alpha1.ProgrammedNetwork
}

// concerns reports whether something of a network could not be programmed.
func (o outcome) concerns(vni int32, uid string) bool {
	return o.failure != nil && o.left.Concern(o.desired, vni, uid)
}

// networks are those that are programmed, and those that could not be taken
// down. Only what is complete has a generation.
func (o outcome) networks() []v1alpha1.ProgrammedNetwork {
	all := slices.Clone(o.programmed)
	for i, p := range all {
		if o.concerns(p.VNI, p.UID) {
			all[i].Generation = 0
		}
	}
	for _, p := range o.present {
		if !slices.ContainsFunc(all, func(c v1alpha1.ProgrammedNetwork) bool { return c.VNI == p.VNI }) {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b v1alpha1.ProgrammedNetwork) int { return cmp.Compare(a.VNI, b.VNI) })
	return all
}

// pass needs the kernel's lock.
func (a *Agent) pass(ctx context.Context) (outcome, error) {
	in, err := a.input(ctx)
	if err != nil {
		return outcome{}, err
	}
	observed, attachments, err := a.Host.Observe()
	if err != nil {
		return outcome{}, err
	}
	in.Attachments, in.Observed = attachments, observed
	desired, programmed := fabric.Desired(in)
	changes := fabric.Plan(observed, desired)
	if !changes.Empty() {
		log.FromContext(ctx).Info("Changing the fabric", "changes", changes.Summary())
	}
	o := outcome{ports: in.Ports, attachments: attachments, programmed: programmed, desired: desired}
	if o.failure = a.Host.Apply(changes); o.failure == nil {
		return o, nil
	}
	after, _, err := a.Host.Observe()
	if err != nil {
		return outcome{}, errors.Join(o.failure, err)
	}
	o.left, o.present = fabric.Plan(after, desired), fabric.Present(after)
	return o, nil
}

func (a *Agent) input(ctx context.Context) (fabric.Input, error) {
	var hosts v1alpha1.HostNetworkList
	var networks v1alpha1.TenantNetworkList
	var ports v1alpha1.NetworkPortList
	for _, list := range []client.ObjectList{&hosts, &networks, &ports} {
		if err := a.Client.List(ctx, list); err != nil {
			return fabric.Input{}, fmt.Errorf("list %T: %w", list, err)
		}
	}
	return fabric.Input{Config: a.Config, Hosts: hosts.Items, Networks: networks.Items, Ports: ports.Items}, nil
}
