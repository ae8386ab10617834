package tenantcluster

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
	"slipway.dev/operators/cluster/report"
)

// TestNewEvents: an operation that goes on as it should is told of when it begins
// and ends; what somebody may have to look after is a warning, once.
func TestNewEvents(t *testing.T) {
	scale := &v1alpha1.Operation{Type: "Scale"}
	for name, test := range map[string]struct {
		before    reported
		operation *v1alpha1.Operation
		reason    string // of condition Ready; True where empty
		want      []string
	}{
		"nothing happened":            {},
		"scaling begins":              {operation: scale, reason: "Scaling", want: []string{"Normal OperationBegan"}},
		"a worker boots":              {before: reported{operation: scale, reason: "Scaling"}, operation: scale, reason: "NotRegistered"},
		"a worker has no room":        {before: reported{operation: scale, reason: "Scaling"}, operation: scale, reason: "Unschedulable", want: []string{"Warning Unschedulable"}},
		"it still has none":           {before: reported{operation: scale, reason: "Unschedulable"}, operation: scale, reason: "Unschedulable"},
		"scaling ends":                {before: reported{operation: scale, reason: "NotReady"}, want: []string{"Normal OperationEnded"}},
		"a worker dies":               {before: reported{reason: "Ready"}, reason: "NotReady", want: []string{"Warning NotReady"}},
		"a pod of the plane restarts": {before: reported{reason: "Ready"}, reason: "Starting"},
	} {
		t.Run(name, func(t *testing.T) {
			test.before.controlPlaneReady = true
			ready := conditions.True(v1alpha1.ConditionReady, report.ReasonReady, "")
			if test.reason != "" {
				ready = conditions.False(v1alpha1.ConditionReady, test.reason, "because")
			}
			after := report.Report{Conditions: []metav1.Condition{ready}, Operation: test.operation}
			var got []string
			for _, e := range newEvents(test.before, after) {
				got = append(got, e.kind+" "+e.reason)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
