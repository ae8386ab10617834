package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
)

// Owner of the fields that an agent writes.
const Owner client.FieldOwner = "network-agent"

// publish reports a pass: the host, its status, and who is plugged in where.
func (a *Agent) publish(ctx context.Context, o outcome) error {
	a.publishing.Lock()
	defer a.publishing.Unlock()
	failure := o.failure
	if failure == nil {
		failure = a.refusals.first(a.Config.NodeName, o.ports)
	}
	return errors.Join(a.publishHost(ctx), a.publishStatus(ctx, o.networks(), failure), a.publishAttachments(ctx, o))
}

// publishBlindness reports that nothing could be found out.
func (a *Agent) publishBlindness(ctx context.Context, failure error) error {
	a.publishing.Lock()
	defer a.publishing.Unlock()
	host, err := a.ownHost(ctx)
	if err != nil || host == nil {
		return err
	}
	return a.publishStatus(ctx, host.Status.Networks, failure)
}

// ownHost is this node's HostNetwork as the cache has it; nil where there is none.
func (a *Agent) ownHost(ctx context.Context) (*v1alpha1.HostNetwork, error) {
	host := &v1alpha1.HostNetwork{}
	err := a.Client.Get(ctx, client.ObjectKey{Name: a.Config.NodeName}, host)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("get HostNetwork: %w", err)
	}
	if err != nil {
		return nil, nil
	}
	return host, nil
}

// publishHost says where this node's tunnels end and what its addresses are. The
// object goes with its Node; one that somebody deleted comes back.
func (a *Agent) publishHost(ctx context.Context) error {
	spec, err := a.hostSpec()
	if err != nil {
		return err
	}
	host, err := a.ownHost(ctx)
	if err != nil {
		return err
	}
	node, err := a.nodeUID(ctx, host)
	if err != nil {
		return err
	}
	return a.Writer.Apply(ctx, slipwayac.HostNetwork(a.Config.NodeName).
		WithOwnerReferences(metav1ac.OwnerReference().
			WithAPIVersion("v1").WithKind("Node").WithName(a.Config.NodeName).WithUID(node)).
		WithSpec(spec), host)
}

// nodeUID is the UID of this node's Node. A HostNetwork that is there names it,
// and goes with it.
func (a *Agent) nodeUID(ctx context.Context, host *v1alpha1.HostNetwork) (types.UID, error) {
	if host != nil {
		for _, owner := range host.OwnerReferences {
			if owner.Kind == "Node" && owner.Name == a.Config.NodeName {
				return owner.UID, nil
			}
		}
	}
	var node corev1.Node
	if err := a.Live.Get(ctx, client.ObjectKey{Name: a.Config.NodeName}, &node); err != nil {
		return "", fmt.Errorf("get Node %s: %w", a.Config.NodeName, err)
	}
	return node.UID, nil
}

func (a *Agent) hostSpec() (*slipwayac.HostNetworkSpecApplyConfiguration, error) {
	mtu, err := a.Host.LinkMTU(a.Config.VTEP)
	if err != nil {
		return nil, err
	}
	addresses, err := a.Host.Addresses()
	if err != nil {
		return nil, err
	}
	spec := slipwayac.HostNetworkSpec().WithVTEP(a.Config.VTEP.String()).WithMTU(int32(mtu))
	for _, address := range addresses {
		// Those of pods and Services are many, and denied as ranges.
		if !slices.ContainsFunc(a.Config.Management, func(p netip.Prefix) bool { return p.Contains(address) }) {
			spec.WithAddresses(address.String())
		}
	}
	return spec, nil
}

// publishStatus reports what is programmed. Whether the host is Ready is not for
// its agent to say, who might be gone.
func (a *Agent) publishStatus(ctx context.Context, networks []v1alpha1.ProgrammedNetwork, failure error) error {
	host, err := a.ownHost(ctx)
	if err != nil || host == nil {
		return err // when it is there, its event makes the next pass
	}
	programmed := conditions.True(v1alpha1.ConditionProgrammed, "Programmed", "")
	if failure != nil {
		programmed = conditions.False(v1alpha1.ConditionProgrammed, "ProgrammingFailed", conditions.FirstLine(failure.Error()))
	}
	status := slipwayac.HostNetworkStatus().WithNetworkCount(int32(len(networks))).
		WithConditions(conditions.Apply(host.Status.Conditions, host.Generation, programmed)...)
	for _, p := range networks {
		status.WithNetworks(slipwayac.ProgrammedNetwork().WithVNI(p.VNI).WithUID(p.UID).WithGeneration(p.Generation).WithPorts(p.Ports))
	}
	err = a.Writer.ApplyStatus(ctx, slipwayac.HostNetwork(a.Config.NodeName).WithStatus(status), host)
	return client.IgnoreNotFound(err)
}

// publishAttachments corrects the ports that say that they are plugged in here
// and are not, and those that are and nobody says so. Another node's claim is
// never contested: the last one that plugged a port in has it.
func (a *Agent) publishAttachments(ctx context.Context, o outcome) error {
	plugged := map[string][]string{} // containers by port
	for _, nic := range o.attachments {
		plugged[nic.PortUID] = append(plugged[nic.PortUID], nic.ContainerID)
	}
	var failures []error
	for _, p := range o.ports {
		containers, at := plugged[string(p.UID)], p.Status.Attachment
		var status *slipwayac.NetworkPortStatusApplyConfiguration
		switch {
		case at == nil && len(containers) > 0:
			status = attached(a.Config.NodeName, containers[0])
		case at != nil && at.NodeName == a.Config.NodeName && !slices.Contains(containers, at.ContainerID):
			status = slipwayac.NetworkPortStatus()
		default:
			continue
		}
		port := slipwayac.NetworkPort(p.Name, p.Namespace).WithResourceVersion(p.ResourceVersion).WithStatus(status)
		err := a.Writer.ApplyStatus(ctx, port, &p)
		// A conflict means that the object has changed: its event makes the next pass.
		if client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// claim says that this node has the port now. It is written whatever the cache
// says: another node may have claimed the port since.
func (a *Agent) claim(ctx context.Context, p *v1alpha1.NetworkPort, containerID string) error {
	return a.Writer.ApplyStatus(ctx,
		slipwayac.NetworkPort(p.Name, p.Namespace).WithStatus(attached(a.Config.NodeName, containerID)), nil)
}

func attached(nodeName, containerID string) *slipwayac.NetworkPortStatusApplyConfiguration {
	return slipwayac.NetworkPortStatus().WithAttachment(
		slipwayac.PortAttachment().WithNodeName(nodeName).WithContainerID(containerID))
}
