// Package conditions builds the conditions of a status for server-side apply.
package conditions

import (
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
)

// True says that a thing is there.
func True(conditionType, reason, message string) metav1.Condition {
	return metav1.Condition{Type: conditionType, Status: metav1.ConditionTrue, Reason: reason, Message: message}
}

// False says that a thing is not there; the message names the object that blocks.
func False(conditionType, reason, message string) metav1.Condition {
	return metav1.Condition{Type: conditionType, Status: metav1.ConditionFalse, Reason: reason, Message: message}
}

// Unknown is a condition that cannot be determined now.
func Unknown(conditionType, reason, message string) metav1.Condition {
	return metav1.Condition{Type: conditionType, Status: metav1.ConditionUnknown, Reason: reason, Message: message}
}

// Summary is True when every condition is. Otherwise it takes reason and message
// from the first that is False, in the order given, and is Unknown only when none is:
// what is known to be wrong says more than what is not known.
func Summary(conditionType, readyReason string, parts ...metav1.Condition) metav1.Condition {
	for _, part := range parts {
		if part.Status == metav1.ConditionFalse {
			return False(conditionType, part.Reason, part.Message)
		}
	}
	for _, part := range parts {
		if part.Status != metav1.ConditionTrue {
			return Unknown(conditionType, part.Reason, part.Message)
		}
	}
	return True(conditionType, readyReason, "")
}

// Apply returns the wanted conditions as an apply configuration. A condition
// whose status has not changed keeps the time of its last transition from
// observed, so that applying the same report twice changes nothing.
func Apply(observed []metav1.Condition, generation int64, wanted ...metav1.Condition) []*metav1ac.ConditionApplyConfiguration {
	current := slices.Clone(observed)
	result := make([]*metav1ac.ConditionApplyConfiguration, 0, len(wanted))
	for _, c := range wanted {
		c.ObservedGeneration = generation
		meta.SetStatusCondition(&current, c)
		set := meta.FindStatusCondition(current, c.Type)
		result = append(result, metav1ac.Condition().
			WithType(set.Type).
			WithStatus(set.Status).
			WithReason(set.Reason).
			WithMessage(set.Message).
			WithObservedGeneration(generation).
			WithLastTransitionTime(set.LastTransitionTime))
	}
	slices.SortFunc(result, func(a, b *metav1ac.ConditionApplyConfiguration) int {
		return strings.Compare(*a.Type, *b.Type)
	})
	return result
}

// ReasonRefused is that of a Refusal.
const ReasonRefused = "Refused"

// Refusal is False when the API server has refused an object, as it does for a
// quota, a LimitRange or a policy: its words name the object and what is in the
// way, and nothing of ours helps. refused is false of any other error.
func Refusal(conditionType string, err error) (condition metav1.Condition, refused bool) {
	if !apierrors.IsForbidden(err) && !apierrors.IsInvalid(err) {
		return condition, false
	}
	return False(conditionType, ReasonRefused, FirstLine(err.Error())), true
}

// FirstLine bounds a text that others wrote, for a message: its first line, in
// at most 300 bytes. It is a copy, which does not keep the rest in memory.
func FirstLine(text string) string {
	const longest = 300
	line, _, _ := strings.Cut(text, "\n")
	if len(line) <= longest {
		return strings.Clone(line)
	}
	return strings.ToValidUTF8(line[:longest], "") + "..."
}
