package agent

import (
	"path/filepath"
	"testing"
	"time"
)

func TestHeard(t *testing.T) {
	now := time.Now()
	for name, test := range map[string]struct {
		last *time.Time
		want string
	}{
		"it has just begun":    {nil, "nothing has been reported yet"},
		"at rest":              {new(now.Add(-fullPass)), ""},
		"a pass is late":       {new(now.Add(-silence)), ""},
		"a pass has no end":    {new(now.Add(-silence - time.Second)), "nothing has been reported for 1m1s"},
		"it has just reported": {&now, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got string
			if err := heard(test.last, now); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("heard %q, want %q", got, test.want)
			}
		})
	}
}

// An agent that reports and that no CNI call reaches is not ready.
func TestNotReadyWithoutItsSocket(t *testing.T) {
	a := &Agent{Socket: filepath.Join(t.TempDir(), "agent.sock")}
	a.reported.Store(new(time.Now()))
	if err := a.Ready(nil); err == nil {
		t.Error("ready, though nobody listens")
	}
}
