// Package socket is what the CNI plugin and the node agent say to each other:
// one JSON request and one JSON reply on a unix socket.
package socket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Path is where the agent listens on every node.
const Path = "/run/slipway/agent.sock"

// Timeout is how long one call may take; the agent waits a little less for a
// NIC's identity.
const Timeout = 30 * time.Second

// Commands, as in the CNI specification.
const (
	Add    = "ADD"
	Check  = "CHECK"
	Delete = "DEL"
	Status = "STATUS"
)

// Request describes one NIC of one pod.
type Request struct {
	Command     string `json:"command"`
	ContainerID string `json:"containerID,omitempty"`
	// Namespace is the path of the pod's network namespace.
	Namespace    string `json:"namespace,omitempty"`
	Interface    string `json:"interface,omitempty"`
	PodNamespace string `json:"podNamespace,omitempty"`
	PodName      string `json:"podName,omitempty"`
	// Network is the name of the TenantNetwork.
	Network string `json:"network,omitempty"`
	// MAC chooses the port; without it the pod's name does.
	MAC string `json:"mac,omitempty"`
}

// Reply says how the NIC is set up. Address (with prefix) and Routes are empty
// for a guest's.
type Reply struct {
	Error   string   `json:"error,omitempty"`
	MAC     string   `json:"mac,omitempty"`
	MTU     int      `json:"mtu,omitempty"`
	Address string   `json:"address,omitempty"`
	Gateway string   `json:"gateway,omitempty"`
	Routes  []string `json:"routes,omitempty"`
}

// ErrNoAgent is given when nobody listens.
var ErrNoAgent = errors.New("the node agent is not running")

// Call sends a request to the agent that listens at path.
func Call(path string, request Request) (Reply, error) {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return Reply{}, fmt.Errorf("%w: %w", ErrNoAgent, err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(Timeout)); err != nil {
		return Reply{}, err
	}
	if err := json.NewEncoder(conn).Encode(request); err != nil {
		return Reply{}, fmt.Errorf("send to agent: %w", err)
	}
	var reply Reply
	if err := json.NewDecoder(conn).Decode(&reply); err != nil {
		return Reply{}, fmt.Errorf("read from agent: %w", err)
	}
	if reply.Error != "" {
		return Reply{}, errors.New(reply.Error)
	}
	return reply, nil
}

// Handler answers a request.
type Handler func(ctx context.Context, request Request) (Reply, error)

// Serve answers requests at path, which only root may use, until ctx ends.
func Serve(ctx context.Context, path string, handle Handler) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove old socket: %w", err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = listener.Close() })()
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	for {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept on %s: %w", path, err)
		}
		go answer(ctx, conn, handle)
	}
}

func answer(ctx context.Context, conn net.Conn, handle Handler) {
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	var request Request
	if err := json.NewDecoder(conn).Decode(&request); err != nil {
		return // whoever called is gone
	}
	reply, err := handle(ctx, request)
	if err != nil {
		reply = Reply{Error: err.Error()}
	}
	_ = json.NewEncoder(conn).Encode(reply) // whoever called may be gone
}
