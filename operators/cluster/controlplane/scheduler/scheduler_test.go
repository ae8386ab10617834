package scheduler_test

import (
	"bytes"
	"maps"
	"testing"

	"slipway.dev/operators/cluster/controlplane/golden"
	"slipway.dev/operators/cluster/controlplane/scheduler"
)

func TestDeployment(t *testing.T) {
	golden.Compare(t, "default", scheduler.Deployment(golden.Tenant()))
}

// A second replica makes both take a lease, and the first has to start anew for that.
func TestConfigRollsThePod(t *testing.T) {
	one, three := golden.Tenant(), golden.Tenant()
	three.Spec.ControlPlane.Replicas = 3
	if bytes.Equal(scheduler.Config(one), scheduler.Config(three)) {
		t.Error("the configuration does not ask for a lease")
	}
	before, after := scheduler.Deployment(one).Spec.Template.Annotations, scheduler.Deployment(three).Spec.Template.Annotations
	if maps.Equal(before, after) {
		t.Errorf("the pod stays what it is: %v", after)
	}
}
