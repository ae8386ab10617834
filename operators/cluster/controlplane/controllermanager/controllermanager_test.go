package controllermanager_test

import (
	"slices"
	"testing"

	"slipway.dev/operators/cluster/controlplane/controllermanager"
	"slipway.dev/operators/cluster/controlplane/golden"
)

func TestDeployment(t *testing.T) {
	golden.Compare(t, "default", controllermanager.Deployment(golden.Tenant()))
}

func TestSeveralReplicasElectALeader(t *testing.T) {
	tenant := golden.Tenant()
	tenant.Spec.ControlPlane.Replicas = 2
	if !slices.Contains(controllermanager.Deployment(tenant).Spec.Template.Spec.Containers[0].Command, "--leader-elect=true") {
		t.Error("two replicas without leader election")
	}
}
