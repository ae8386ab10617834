package controllermanager_test

import (
	"slices"
	"testing"

	"slipway.dev/kit/golden"
	"slipway.dev/operators/cluster/controlplane/controllermanager"
	"slipway.dev/operators/cluster/controlplane/controlplanetest"
)

func TestDeployment(t *testing.T) {
	golden.Objects(t, "default", controllermanager.Deployment(controlplanetest.Tenant()))
}

func TestSeveralReplicasElectALeader(t *testing.T) {
	tenant := controlplanetest.Tenant()
	tenant.Spec.ControlPlane.Replicas = 2
	if !slices.Contains(controllermanager.Deployment(tenant).Spec.Template.Spec.Containers[0].Command, "--leader-elect=true") {
		t.Error("two replicas without leader election")
	}
}
