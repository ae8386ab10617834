package machine

import (
	"errors"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
	"slipway.dev/kit/tenantapi"
	"slipway.dev/operators/kvm/bootstrap"
	"slipway.dev/operators/kvm/virtualmachine"
)

// status is the report on a Machine that stays. tokenErr is why the tenant did
// not take the bootstrap token.
func status(o *observation, tokenErr error) *slipwayac.MachineApplyConfiguration {
	parts := []metav1.Condition{
		networkCondition(o),
		bootstrapReady(o, tokenErr),
		guestCondition(o),
		nodeCondition(o),
	}
	ready := conditions.Summary(v1alpha1.ConditionReady, "Ready", parts...)
	if o.refused != nil {
		ready = *o.refused // what the others wait for
	}
	return report(o, append(parts, ready)...)
}

func refusal(err error) *metav1.Condition {
	if ready, refused := conditions.Refusal(v1alpha1.ConditionReady, err); refused {
		return &ready
	}
	return nil
}

func report(o *observation, wanted ...metav1.Condition) *slipwayac.MachineApplyConfiguration {
	machine := o.machine
	for i := range wanted {
		wanted[i].LastTransitionTime = metav1.NewTime(o.now) // if it is one
	}
	fields := slipwayac.MachineStatus().
		WithObservedGeneration(machine.Generation).
		WithConditions(conditions.Apply(machine.Status.Conditions, machine.Generation, wanted...)...)
	if known := address(o); known != "" {
		fields.WithIPAddress(known)
	}
	if podCIDR := o.podCIDR(); podCIDR != "" {
		fields.WithPodCIDR(podCIDR)
	} else if machine.Status.PodCIDR != "" { // its guest has it for life
		fields.WithPodCIDR(machine.Status.PodCIDR)
	}
	return slipwayac.Machine(machine.Name, machine.Namespace).WithStatus(fields)
}

func networkCondition(o *observation) metav1.Condition {
	if o.hasIdentity() {
		return conditions.True(v1alpha1.ConditionNetworkReady, "Allocated", "")
	}
	return waitingForPort(o, v1alpha1.ConditionNetworkReady)
}

func waitingForPort(o *observation, conditionType string) metav1.Condition {
	name := o.machine.Name
	message := "NetworkPort " + name + " has no addresses yet"
	if o.port != nil {
		if ready := meta.FindStatusCondition(o.port.Status.Conditions, v1alpha1.ConditionReady); ready != nil && ready.Message != "" {
			message = "NetworkPort " + name + ": " + ready.Message
		}
	}
	return waiting(o, conditionType, "WaitingForNetworkPort", message)
}

// waiting is that of a thing that waits for what the reason says; or, where the
// API server has not taken an object, for that: nothing else is made until it has.
func waiting(o *observation, conditionType, reason, message string) metav1.Condition {
	if o.refused != nil {
		reason, message = o.refused.Reason, o.refused.Message
	}
	return conditions.False(conditionType, reason, message)
}

func guestCondition(o *observation) metav1.Condition {
	if o.vm == nil && o.imageMissing != "" {
		return conditions.False(v1alpha1.ConditionGuestRunning, "ImageWithoutDigest", o.imageMissing)
	}
	running := virtualmachine.GuestRunning(o.vm, o.vmi)
	if o.vm == nil {
		return waiting(o, running.Type, running.Reason, running.Message)
	}
	return running
}

// Reasons of BootstrapReady while the tenant has no token.
const (
	reasonWaitingForTenantAPI = "WaitingForTenantAPI"
	reasonTokenNotWritten     = "TokenNotWritten"
)

func bootstrapReady(o *observation, tokenErr error) metav1.Condition {
	const conditionType = v1alpha1.ConditionBootstrapReady
	known := bootstrapCondition(o.machine)
	_, busy := tenantapi.RetryAfter(tokenErr)
	switch {
	case o.invalid != "":
		return conditions.False(conditionType, "InvalidSpec", conditions.FirstLine(o.invalid))
	case o.bootstrap == nil && len(o.missing) > 0:
		return conditions.False(conditionType, "WaitingForSecret", strings.Join(o.missing, ", ")+" missing")
	case o.bootstrap == nil && !o.hasIdentity():
		return waitingForPort(o, conditionType)
	case o.bootstrap == nil:
		return waiting(o, conditionType, "WaitingForSecret", "Secret "+bootstrap.SecretName(o.machine.Name)+" is not written yet")
	case o.tenant == nil && known.Status == metav1.ConditionTrue:
		return known // what the tenant has once taken is done
	case o.down != nil:
		return conditions.False(conditionType, reasonWaitingForTenantAPI, o.down.Message)
	case o.tenant == nil:
		return conditions.False(conditionType, reasonWaitingForTenantAPI, "waits for the tenant's API, reached through Secret "+v1alpha1.SecretKVMOperatorKubeconfig)
	case o.joined() && tokenErr != nil:
		// What it was for is done, and it expires; another reason than that of Joined has it tried again.
		return conditions.True(conditionType, "TokenNotRemoved", "the tenant's API has not let the bootstrap token be removed yet")
	case busy && (known.Status == metav1.ConditionTrue || known.Reason == reasonTokenNotWritten):
		return known // who was not asked has said nothing new
	case busy:
		return conditions.False(conditionType, reasonWaitingForTenantAPI, "waits for the tenant's API, which is asked enough already or was slow")
	case tokenErr != nil:
		return conditions.False(conditionType, reasonTokenNotWritten, explain(tokenErr))
	case o.joined():
		return conditions.True(conditionType, reasonJoined, "")
	}
	return conditions.True(conditionType, "TokenIssued", "")
}

// explain says in our own words why a tenant did not take something.
func explain(err error) string {
	var refused *tenantapi.RefusedError
	if errors.As(err, &refused) {
		_, message := refused.Explain()
		return message
	}
	return conditions.FirstLine(err.Error())
}

// unheard is what can be said of a Node while the tenant's API is not heard. A
// connection that is being made, as after a restart of this operator, is no news.
func unheard(o *observation) metav1.Condition {
	const conditionType = v1alpha1.ConditionNodeReady
	known := meta.FindStatusCondition(o.machine.Status.Conditions, conditionType)
	never := known == nil || known.Reason == reasonNotRegistered
	switch {
	case never && (o.down == nil || o.down.Reason == tenantapi.ReasonConnecting):
		return conditions.False(conditionType, reasonNotRegistered, "Node "+o.machine.Name+" has not registered yet")
	case o.down == nil:
		return conditions.Unknown(conditionType, "NoKubeconfig", "Secret "+v1alpha1.SecretKVMOperatorKubeconfig+" is not there")
	case o.down.Reason == tenantapi.ReasonConnecting:
		return *known
	}
	return conditions.Unknown(conditionType, o.down.Reason, o.down.Message)
}

// reasonNotRegistered is that of a Node that has never been there.
const reasonNotRegistered = "NotRegistered"

// nodeCondition says of a Node also which certificate its worker waits for:
// without one it does not become a Node, or one that cannot be asked for logs.
func nodeCondition(o *observation) metav1.Condition {
	if o.tenant == nil {
		return unheard(o)
	}
	condition := registered(o)
	if o.certificate == nil {
		return condition
	}
	condition.Message = strings.TrimPrefix(condition.Message+"; "+o.certificate.Message, "; ")
	return condition
}

func registered(o *observation) metav1.Condition {
	const conditionType = v1alpha1.ConditionNodeReady
	name := o.machine.Name
	if o.node == nil {
		return conditions.False(conditionType, reasonNotRegistered, "Node "+name+" has not registered yet")
	}
	ready := nodeReady(o.node)
	switch {
	case ready == nil:
		return conditions.False(conditionType, "NotReported", "Node "+name+" has not reported yet")
	case ready.Status != corev1.ConditionTrue:
		// A tenant may write any text into the status of its Nodes; a reason has a syntax.
		return conditions.False(conditionType, "NotReady", "Node "+name+": "+ready.Message)
	}
	return conditions.True(conditionType, "NodeReady", "")
}
