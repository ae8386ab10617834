package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/namespace"
	"slipway.dev/operators/network/cni/socket"
	"slipway.dev/operators/network/fabric"
	"slipway.dev/operators/network/hosted"
	"slipway.dev/operators/network/netlink"
)

// Handle answers one call of the CNI plugin.
func (a *Agent) Handle(ctx context.Context, request socket.Request) (socket.Reply, error) {
	logger := log.FromContext(ctx).WithValues("command", request.Command,
		"Pod", request.PodNamespace+"/"+request.PodName, "interface", request.Interface)
	var reply socket.Reply
	var err error
	switch request.Command {
	case socket.Add:
		reply, err = a.add(ctx, request)
	case socket.Check:
		err = a.check(request)
	case socket.Delete:
		err = a.remove(ctx, request)
	case socket.Status:
	default:
		err = fmt.Errorf("unknown command %q", request.Command)
	}
	if err != nil {
		logger.Error(err, "CNI call failed")
	} else if request.Command != socket.Status {
		logger.Info("CNI call", "MAC", reply.MAC, "address", reply.Address)
	}
	return reply, err
}

func (a *Agent) add(ctx context.Context, request socket.Request) (socket.Reply, error) {
	if err := a.checkHosted(ctx, request.PodNamespace); err != nil {
		return socket.Reply{}, err
	}
	network, port, err := a.awaitIdentity(ctx, request)
	if err != nil {
		return socket.Reply{}, err
	}
	nic := netlink.NIC{
		Namespace: request.Namespace, Interface: request.Interface,
		MAC: port.Status.MACAddress, MTU: int(network.Status.MTU),
		Alias: fabric.Alias{
			NetworkUID: string(network.UID), PortUID: string(port.UID),
			ContainerID: request.ContainerID, Interface: request.Interface,
		},
	}
	reply, side, err := podSide(network, port)
	if err != nil {
		return socket.Reply{}, err
	}
	err = a.plug(ctx, nic, *network.Status.VNI, side)
	a.refusals.record(port.UID, err)
	if err != nil {
		a.objects.fire() // the pass that follows reports
		return socket.Reply{}, err
	}
	if err := a.claim(ctx, port, request.ContainerID); err != nil {
		return socket.Reply{}, err
	}
	a.objects.fire() // the pass that follows reports
	return reply, nil
}

// checkHosted refuses what is anybody's, whatever it says in its status: a node
// carries the networks that have a NIC on it, so this lets no other in. What is
// plugged in stays.
func (a *Agent) checkHosted(ctx context.Context, name string) error {
	home, err := namespace.Get(ctx, a.Live, name)
	if err != nil {
		return err
	}
	if home == nil || !v1alpha1.IsHostedNamespace(home) {
		return errors.New(hosted.Refusal("TenantNetwork", name).Message)
	}
	return nil
}

// plug makes the NIC and whatever its network lacks on this node.
func (a *Agent) plug(ctx context.Context, nic netlink.NIC, vni int32, side netlink.PodSide) error {
	a.kernel.Lock()
	defer a.kernel.Unlock()
	if err := a.Host.Plug(nic); err != nil {
		return err
	}
	done, err := a.pass(ctx)
	if err == nil {
		err = a.complete(nic, vni, done)
	}
	if err == nil {
		err = a.Host.Configure(nic, side)
	}
	if err != nil {
		if undo := a.Host.Unplug(nic.Alias.ContainerID, nic.Interface); undo != nil {
			log.FromContext(ctx).Error(undo, "Removing a NIC that could not be set up", "link", nic.Name())
		}
		return err
	}
	return nil
}

// complete reports whether everything that the NIC needs is there. The failure
// of a pass may be about other networks.
func (a *Agent) complete(nic netlink.NIC, vni int32, done outcome) error {
	plugged, err := a.Host.Plugged(nic.Alias.ContainerID, nic.Interface)
	if err != nil {
		return err
	}
	if done.concerns(vni, nic.Alias.NetworkUID) {
		return fmt.Errorf("program network of %s: %w", nic.Name(), done.failure)
	}
	if !plugged {
		return fmt.Errorf("plug in %s: %w", nic.Name(), errorOr(done.failure, "its network is not on this node"))
	}
	confined := slices.ContainsFunc(done.attachments, func(at fabric.Attachment) bool {
		return at.Link == nic.Name() && at.Namespace != ""
	})
	if !confined {
		return fmt.Errorf("confine the pod of %s: its network namespace %s is neither in the namespace directory nor any process's", nic.Name(), nic.Namespace)
	}
	return nil
}

func errorOr(err error, text string) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("%s", text)
}

func (a *Agent) check(request socket.Request) error {
	plugged, err := a.Host.Plugged(request.ContainerID, request.Interface)
	if err == nil && !plugged {
		err = fmt.Errorf("interface %s of container %s is not plugged in", request.Interface, request.ContainerID)
	}
	return err
}

func (a *Agent) remove(ctx context.Context, request socket.Request) error {
	a.kernel.Lock()
	err := a.Host.Unplug(request.ContainerID, request.Interface)
	a.kernel.Unlock()
	if err != nil {
		return err
	}
	// The pass takes back the claim, and what the network has no use for.
	a.objects.fire()
	return nil
}

// awaitIdentity waits until the port and its network have all that a NIC needs.
func (a *Agent) awaitIdentity(ctx context.Context, request socket.Request) (*v1alpha1.TenantNetwork, *v1alpha1.NetworkPort, error) {
	ctx, cancel := context.WithTimeout(ctx, identityWait)
	defer cancel()
	for {
		changed := a.objects.wait()
		network, port, missing, err := a.identity(ctx, request)
		if err != nil {
			return nil, nil, err
		}
		if missing == "" {
			return network, port, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("%s after %s", missing, identityWait)
		}
	}
}

// identity says what is missing, if anything.
func (a *Agent) identity(ctx context.Context, request socket.Request) (*v1alpha1.TenantNetwork, *v1alpha1.NetworkPort, string, error) {
	var networks v1alpha1.TenantNetworkList
	if err := a.Client.List(ctx, &networks, client.InNamespace(request.PodNamespace)); err != nil {
		return nil, nil, "", fmt.Errorf("list TenantNetworks: %w", err)
	}
	var network *v1alpha1.TenantNetwork
	for i := range networks.Items {
		if networks.Items[i].Name == request.Network {
			network = &networks.Items[i]
		}
	}
	if network == nil || network.Status.VNI == nil || network.Status.Gateway == nil || network.Status.MTU == 0 {
		return nil, nil, fmt.Sprintf("TenantNetwork %s/%s is not ready", request.PodNamespace, request.Network), nil
	}
	var ports v1alpha1.NetworkPortList
	if err := a.Client.List(ctx, &ports, client.InNamespace(request.PodNamespace)); err != nil {
		return nil, nil, "", fmt.Errorf("list NetworkPorts: %w", err)
	}
	for i, p := range ports.Items {
		if p.Spec.NetworkName == request.Network && matches(p, request) && p.Status.IPAddress != "" {
			return network, &ports.Items[i], "", nil
		}
	}
	who := "for pod " + request.PodName
	if request.MAC != "" {
		who = "with MAC address " + request.MAC
	}
	return nil, nil, fmt.Sprintf("no NetworkPort %s of TenantNetwork %s/%s has an address", who, request.PodNamespace, request.Network), nil
}

func matches(p v1alpha1.NetworkPort, request socket.Request) bool {
	if request.MAC != "" {
		return strings.EqualFold(p.Status.MACAddress, request.MAC)
	}
	return p.Spec.PodName != "" && p.Spec.PodName == request.PodName
}

// podSide is how the pod's end is set up: not at all for a guest's.
func podSide(network *v1alpha1.TenantNetwork, port *v1alpha1.NetworkPort) (socket.Reply, netlink.PodSide, error) {
	reply := socket.Reply{MAC: port.Status.MACAddress, MTU: int(network.Status.MTU)}
	if port.Spec.PodName == "" {
		return reply, netlink.PodSide{}, nil
	}
	ip, err := netip.ParseAddr(port.Status.IPAddress)
	if err != nil {
		return socket.Reply{}, netlink.PodSide{}, fmt.Errorf("address of NetworkPort %s: %w", port.Name, err)
	}
	gateway, err := netip.ParseAddr(network.Status.Gateway.IPAddress)
	if err != nil {
		return socket.Reply{}, netlink.PodSide{}, fmt.Errorf("gateway of TenantNetwork %s: %w", network.Name, err)
	}
	pods, err := netip.ParsePrefix(string(network.Spec.PodCIDR))
	if err != nil {
		return socket.Reply{}, netlink.PodSide{}, fmt.Errorf("podCIDR of TenantNetwork %s: %w", network.Name, err)
	}
	// nodeCIDR comes with the address's prefix; the default route stays where it is.
	side := netlink.PodSide{
		Address: netip.PrefixFrom(ip, int(port.Status.PrefixLength)),
		Gateway: gateway, GatewayMAC: network.Status.Gateway.MACAddress,
		Routes: []netip.Prefix{pods},
	}
	reply.Address, reply.Gateway, reply.Routes = side.Address.String(), gateway.String(), []string{pods.String()}
	return reply, side, nil
}
