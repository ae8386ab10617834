package scheduler_test

import (
	"testing"

	"slipway.dev/kit/golden"
	"slipway.dev/operators/cluster/controlplane/controlplanetest"
	"slipway.dev/operators/cluster/controlplane/scheduler"
)

func TestDeployment(t *testing.T) {
	golden.Objects(t, "default", scheduler.Deployment(controlplanetest.Tenant()))
}
