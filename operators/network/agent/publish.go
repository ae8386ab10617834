package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/conditions"
)

const fieldOwner client.FieldOwner = "network-agent"

// report remembers what was published last.
type report struct {
	mu         sync.Mutex
	mtu        int
	networks   []v1alpha1.ProgrammedNetwork
	conditions []metav1.Condition
}

// publishHost says where this node's tunnels end. The object goes with its Node.
func (a *Agent) publishHost(ctx context.Context) error {
	mtu, err := a.Host.LinkMTU(a.Config.VTEP)
	if err != nil {
		return err
	}
	if a.report.mtu == mtu {
		return nil
	}
	host := slipwayac.HostNetwork(a.Config.NodeName).WithSpec(
		slipwayac.HostNetworkSpec().WithVTEP(a.Config.VTEP.String()).WithMTU(int32(mtu)))
	var node corev1.Node
	err = a.Live.Get(ctx, client.ObjectKey{Name: a.Config.NodeName}, &node)
	if err != nil {
		return fmt.Errorf("get Node %s: %w", a.Config.NodeName, err)
	}
	host.WithOwnerReferences(metav1ac.OwnerReference().WithAPIVersion("v1").WithKind("Node").WithName(node.Name).WithUID(node.UID))
	if err := apply.Objects(ctx, a.Client, fieldOwner, host); err != nil {
		return err
	}
	a.report.mtu = mtu
	return nil
}

// publish reports a pass: the host's status, and who is plugged in where.
func (a *Agent) publish(ctx context.Context, o outcome) error {
	a.report.mu.Lock()
	defer a.report.mu.Unlock()
	return errors.Join(a.publishHost(ctx), a.publishStatus(ctx, o), a.publishAttachments(ctx, o))
}

func (a *Agent) publishStatus(ctx context.Context, o outcome) error {
	networks, ready := o.programmed, conditions.True("Ready", "Programmed", "")
	if o.failure != nil {
		// What could not be taken down is still there.
		networks = union(networks, a.report.networks)
		ready = conditions.False("Ready", "ProgrammingFailed", firstLine(o.failure))
	}
	known := a.report.conditions
	if len(known) == 1 && known[0].Status == ready.Status && known[0].Message == ready.Message &&
		equality.Semantic.DeepEqual(networks, a.report.networks) {
		return nil
	}
	var host v1alpha1.HostNetwork
	if err := a.Client.Get(ctx, client.ObjectKey{Name: a.Config.NodeName}, &host); client.IgnoreNotFound(err) != nil {
		return err
	}
	status := slipwayac.HostNetworkStatus().WithNetworkCount(int32(len(networks))).
		WithConditions(conditions.Apply(host.Status.Conditions, host.Generation, ready)...)
	for _, p := range networks {
		status.WithNetworks(slipwayac.ProgrammedNetwork().WithVNI(p.VNI).WithUID(p.UID).WithPorts(p.Ports))
	}
	if err := apply.Status(ctx, a.Client, fieldOwner, slipwayac.HostNetwork(a.Config.NodeName).WithStatus(status)); err != nil {
		return err
	}
	a.report.networks, a.report.conditions = networks, []metav1.Condition{ready}
	return nil
}

func union(current, earlier []v1alpha1.ProgrammedNetwork) []v1alpha1.ProgrammedNetwork {
	all := slices.Clone(current)
	for _, e := range earlier {
		if !slices.ContainsFunc(all, func(c v1alpha1.ProgrammedNetwork) bool { return c.VNI == e.VNI }) {
			all = append(all, e)
		}
	}
	return all
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
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
		err := apply.Status(ctx, a.Client, fieldOwner, port)
		// A conflict means that the object has changed: its event makes the next pass.
		if client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// claim says that this node has the port now.
func (a *Agent) claim(ctx context.Context, p *v1alpha1.NetworkPort, containerID string) error {
	return apply.Status(ctx, a.Client, fieldOwner,
		slipwayac.NetworkPort(p.Name, p.Namespace).WithStatus(attached(a.Config.NodeName, containerID)))
}

func attached(nodeName, containerID string) *slipwayac.NetworkPortStatusApplyConfiguration {
	return slipwayac.NetworkPortStatus().WithAttachment(
		slipwayac.PortAttachment().WithNodeName(nodeName).WithContainerID(containerID))
}
