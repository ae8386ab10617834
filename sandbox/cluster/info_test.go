package cluster

import (
	"testing"

	"slipway.dev/sandbox/state"
)

func TestAuditLogSurvivesInTheDataFolder(t *testing.T) {
	got, err := AuditLog(&state.State{Name: "demo", Nodes: 1, DataDir: "/data"})
	if err != nil {
		t.Fatal(err)
	}
	if want := "/data/machines/demo-0/var/log/kubernetes/audit/audit.log"; got != want {
		t.Errorf("audit log %s, want %s", got, want)
	}
}
