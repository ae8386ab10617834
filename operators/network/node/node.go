// Package node keeps one management node's part of the fabric as it should be,
// and plugs NICs in when the CNI plugin asks for it.
package node

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/network/cni/socket"
	"slipway.dev/operators/network/fabric"
	"slipway.dev/operators/network/netlink"
)

const (
	// fullPass is how often everything is compared without an event.
	fullPass = 30 * time.Second
	// settle is the least time between two passes that the kernel's events
	// cause: what a pass changes makes events of its own.
	settle = time.Second
	// identityWait is how long a NIC waits for its port's identity.
	identityWait = 20 * time.Second
)

// Node is a manager.Runnable.
type Node struct {
	// Client reads from caches.
	Client client.Client
	// Live reads from the API server.
	Live   client.Reader
	Host   *netlink.Host
	Config fabric.Config
	// Socket is where the CNI plugin finds the node.
	Socket string

	// kernel is held by whoever changes the kernel's state.
	kernel sync.Mutex
	// objects is signalled when an object has changed, drift when the kernel has.
	objects signal
	drift   chan struct{}
	report  report
}

// SetupWithManager makes the manager run the node.
func (n *Node) SetupWithManager(ctx context.Context, mgr manager.Manager) error {
	n.drift = make(chan struct{}, 1)
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { n.objects.fire() },
		UpdateFunc: func(any, any) { n.objects.fire() },
		DeleteFunc: func(any) { n.objects.fire() },
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
	return mgr.Add(n)
}

// NeedLeaderElection is false: every node works for itself.
func (n *Node) NeedLeaderElection() bool { return false }

// Start runs until ctx ends.
func (n *Node) Start(ctx context.Context) error {
	if err := n.publishHost(ctx); err != nil {
		return err
	}
	go n.watchKernel(ctx)
	served := make(chan error, 1)
	go func() { served <- socket.Serve(ctx, n.Socket, n.Handle) }()
	ticker := time.NewTicker(fullPass)
	defer ticker.Stop()
	for {
		changed := n.objects.wait()
		if err := n.Sync(ctx); err != nil && ctx.Err() == nil {
			log.FromContext(ctx).Error(err, "Programming the fabric")
		}
		select {
		case <-ctx.Done():
			return <-served
		case err := <-served:
			return fmt.Errorf("serve CNI calls: %w", err)
		case <-changed:
		case <-n.drift:
		case <-ticker.C:
		}
	}
}

// watchKernel signals drift, at most once in the time that things take to
// settle. Lost events count as drift.
func (n *Node) watchKernel(ctx context.Context) {
	notify := func() {
		select {
		case n.drift <- struct{}{}:
		default: // a pass is due anyhow
		}
	}
	events := make(chan struct{}, 1)
	go func() {
		for ctx.Err() == nil {
			err := n.Host.Watch(ctx.Done(), func() {
				select {
				case events <- struct{}{}:
				default:
				}
			})
			if err != nil {
				log.FromContext(ctx).Info("Network events were lost", "reason", err.Error())
				notify()
			}
		}
	}()
	pause := time.NewTicker(settle)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-events:
		}
		notify()
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
	}
}

// Sync compares the node with what it should be, mends it and reports.
func (n *Node) Sync(ctx context.Context) error {
	n.kernel.Lock()
	outcome, err := n.pass(ctx)
	n.kernel.Unlock()
	if err != nil {
		return err
	}
	if err := n.publish(ctx, outcome); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return outcome.failure
}

// outcome is what one pass has found and done.
type outcome struct {
	ports       []v1alpha1.NetworkPort
	attachments []fabric.Attachment
	programmed  []v1alpha1.ProgrammedNetwork
	// failure names what could not be changed.
	failure error
}

// pass needs the kernel's lock.
func (n *Node) pass(ctx context.Context) (outcome, error) {
	in, err := n.input(ctx)
	if err != nil {
		return outcome{}, err
	}
	observed, attachments, err := n.Host.Observe()
	if err != nil {
		return outcome{}, err
	}
	in.Attachments = attachments
	desired, programmed := fabric.Desired(in)
	changes := fabric.Plan(observed, desired)
	if !changes.Empty() {
		log.FromContext(ctx).Info("Changing the fabric", "changes", changes.Summary())
	}
	failure := n.Host.Apply(changes)
	return outcome{ports: in.Ports, attachments: attachments, programmed: programmed, failure: failure}, nil
}

func (n *Node) input(ctx context.Context) (fabric.Input, error) {
	var hosts v1alpha1.HostNetworkList
	var networks v1alpha1.TenantNetworkList
	var ports v1alpha1.NetworkPortList
	for _, list := range []client.ObjectList{&hosts, &networks, &ports} {
		if err := n.Client.List(ctx, list); err != nil {
			return fabric.Input{}, fmt.Errorf("list %T: %w", list, err)
		}
	}
	return fabric.Input{Config: n.Config, Hosts: hosts.Items, Networks: networks.Items, Ports: ports.Items}, nil
}
