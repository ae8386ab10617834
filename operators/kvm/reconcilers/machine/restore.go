package machine

import (
	"context"

	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/kit/tenantapi"
	"slipway.dev/operators/kvm/bootstrap"
)

// restoreNode writes a Node again that has been removed from the tenant, although
// its Machine is there. A kubelet registers when it starts and not later: its
// guest would run, and be no worker. With the range of pods' addresses that it
// had, nothing changes for the guest, and pods that the tenant has not given up
// yet run on.
//
// It creates and does not apply: a Node that is there, and not seen yet, is its
// kubelet's.
func (r *Reconciler) restoreNode(ctx context.Context, o *observation) error {
	if o.tenant == nil || o.node != nil || o.vmi == nil || o.machine.Status.PodCIDR == "" {
		return nil
	}
	node := bootstrap.Node(o.machine)
	err := o.tenant.Do(ctx, func(ctx context.Context, c client.Client) error {
		write := tenantapi.Write{Object: "Node " + node.Name, Resource: schema.GroupResource{Resource: "nodes"}}
		return write.Refused(ctx, c, c.Create(ctx, node, Owner))
	})
	switch {
	case err == nil:
		r.Events.nodeRestored(o.machine)
	case errors.IsAlreadyExists(err):
		return nil
	}
	return err
}
