package scheduler_test

import (
	"testing"

	"slipway.dev/operators/cluster/controlplane/golden"
	"slipway.dev/operators/cluster/controlplane/scheduler"
)

func TestDeployment(t *testing.T) {
	golden.Compare(t, "default", scheduler.Deployment(golden.Tenant()))
}
