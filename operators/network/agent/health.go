package agent

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"slipway.dev/operators/network/cni/socket"
)

// silence is how long nothing may be reported before the agent counts as stuck;
// a pass takes a fraction of the time between two.
const silence = 2 * fullPass

// Ready is an error unless the node is in this agent's care: its last pass,
// which takes all that it reads from caches, has been reported and was not long
// ago, and the CNI plugin finds it.
func (a *Agent) Ready(*http.Request) error {
	if err := heard(a.reported.Load(), time.Now()); err != nil {
		return err
	}
	_, err := socket.Call(a.Socket, socket.Request{Command: socket.Status})
	return err
}

// heard is an error when the last report, nil when there is none yet, is too old.
func heard(last *time.Time, now time.Time) error {
	if last == nil {
		return errors.New("nothing has been reported yet")
	}
	if age := now.Sub(*last); age > silence {
		return fmt.Errorf("nothing has been reported for %s", age.Round(time.Second))
	}
	return nil
}
