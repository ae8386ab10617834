package report

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
	"slipway.dev/operators/cluster/children"
	"slipway.dev/operators/cluster/desired"
	"slipway.dev/operators/cluster/observed"
)

// ReasonApplyRefused is that of a condition of which an object was refused.
const ReasonApplyRefused = "ApplyRefused"

// Refusal is an object that the API did not take, and why. It is as it was before.
type Refusal struct {
	// Object is empty when it was to be deleted.
	Object desired.Object
	Err    error
}

// concerns is the condition that speaks of the object.
func (r Refusal) concerns() string {
	switch object := r.Object.Desired.(type) {
	case *slipwayac.TenantPKIApplyConfiguration:
		return v1alpha1.ConditionPKIReady
	case *slipwayac.TenantNetworkApplyConfiguration:
		return v1alpha1.ConditionNetworkReady
	case *slipwayac.TenantDNSApplyConfiguration:
		return v1alpha1.ConditionDNSReady
	case *slipwayac.NodePoolApplyConfiguration:
		return v1alpha1.ConditionWorkersReady
	case *corev1ac.SecretApplyConfiguration:
		if object.Labels[children.LabelRegistry] != "" {
			return v1alpha1.ConditionWorkersReady
		}
	}
	return v1alpha1.ConditionControlPlaneReady
}

// unlessRefused is the condition, or says what was refused that it speaks of:
// what is there is then not what is desired.
func (s State) unlessRefused(condition metav1.Condition) metav1.Condition {
	for _, refusal := range s.Refused {
		if refusal.concerns() == condition.Type {
			return conditions.False(condition.Type, ReasonApplyRefused, conditions.FirstLine(refusal.Err.Error()))
		}
	}
	return condition
}

// refused reports whether an object could not be brought to its desired state.
func (s State) refused(object observed.Object) bool {
	return slices.ContainsFunc(s.Refused, func(r Refusal) bool { return r.Object.Observed == object })
}

// refusedFirst puts a condition in front of which an object was refused: that
// has to be mended, while the others may pass by themselves.
func refusedFirst(parts ...metav1.Condition) []metav1.Condition {
	n := slices.IndexFunc(parts, func(c metav1.Condition) bool { return c.Reason == ReasonApplyRefused })
	if n < 0 {
		return parts
	}
	return slices.Insert(parts, 0, parts[n])
}
