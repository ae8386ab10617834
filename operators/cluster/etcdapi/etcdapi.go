// Package etcdapi asks the members of tenants' etcd, and has them maintained.
//
// It speaks etcd's JSON gateway (etcd.io/docs/v3.6/dev-guide/api_grpc_gateway), which
// every member serves at its client port, and not gRPC: see ADR 9.
package etcdapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Timeout bounds what is asked of one tenant's members at a time: their status,
// a compaction and a defragmentation.
const Timeout = callTimeout + 2*maintenanceTimeout

const (
	// callTimeout bounds a call of a member.
	callTimeout = 5 * time.Second
	// maintenanceTimeout bounds a compaction, and a defragmentation, during which a
	// member answers nobody: its kubelet restarts what answers nobody for about as long.
	maintenanceTimeout = 90 * time.Second
	// maxAnswer bounds an answer in bytes; they have some hundred.
	maxAnswer = 64 << 10

	// outOfRange is the code of gRPC with which etcd says that a revision is
	// compacted already, or is of the future.
	outOfRange = 11

	alarmNoSpace = "NOSPACE"
	alarmCorrupt = "CORRUPT"
)

// Dial makes a connection.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Client calls the members of one tenant's etcd. It keeps no connection.
type Client struct {
	http *http.Client
}

// New makes a Client with the identity and the authority in the configuration.
func New(config *tls.Config, dial Dial) *Client {
	return &Client{http: &http.Client{Transport: &http.Transport{
		TLSClientConfig: config, DialContext: dial, DisableKeepAlives: true,
	}}}
}

// Status is what a member says of itself; sizes are in bytes.
type Status struct {
	Leader, HasLeader bool
	// NoSpace and Corrupt are alarms that some member has raised.
	NoSpace, Corrupt   bool
	Size, InUse, Quota int64
	// Revision of the last write that the member has seen.
	Revision int64
}

// header is that of every answer. Numbers of 64 bits are text.
type header struct {
	Member   uint64 `json:"member_id,string"`
	Revision int64  `json:"revision,string"`
}

// Status asks the member at HOST:PORT.
func (c *Client) Status(ctx context.Context, member string) (Status, error) {
	var answer struct {
		Header header   `json:"header"`
		Size   int64    `json:"dbSize,string"`
		InUse  int64    `json:"dbSizeInUse,string"`
		Quota  int64    `json:"dbSizeQuota,string"`
		Leader uint64   `json:"leader,string"`
		Errors []string `json:"errors"`
	}
	if err := c.call(ctx, callTimeout, member, "maintenance/status", struct{}{}, &answer); err != nil {
		return Status{}, err
	}
	status := Status{
		Leader: answer.Leader == answer.Header.Member, HasLeader: answer.Leader != 0,
		Size: answer.Size, InUse: answer.InUse, Quota: answer.Quota, Revision: answer.Header.Revision,
	}
	for _, text := range answer.Errors {
		// An alarm reads "memberID:1 alarm:NOSPACE".
		status.NoSpace = status.NoSpace || strings.Contains(text, "alarm:"+alarmNoSpace)
		status.Corrupt = status.Corrupt || strings.Contains(text, "alarm:"+alarmCorrupt)
	}
	return status, nil
}

// Compact has all members drop history below a revision, and answers when they
// have written that down. That there is none any more is no error.
func (c *Client) Compact(ctx context.Context, member string, revision int64) error {
	request := struct {
		Revision int64 `json:"revision,string"`
		// Else it is done when it suits the member.
		Physical bool `json:"physical"`
	}{revision, true}
	err := c.call(ctx, maintenanceTimeout, member, "kv/compaction", request, nil)
	var refused *refusal
	if errors.As(err, &refused) && refused.Code == outOfRange {
		return nil
	}
	return err
}

// Defragment has one member give back what is free in its database. It answers
// nobody until it is done.
func (c *Client) Defragment(ctx context.Context, member string) error {
	return c.call(ctx, maintenanceTimeout, member, "maintenance/defragment", struct{}{}, nil)
}

// alarm of a member.
type alarm struct {
	Member uint64 `json:"memberID,string"`
	Alarm  string `json:"alarm"`
}

// alarmRequest asks for the alarms, or to end one.
type alarmRequest struct {
	Action string `json:"action"`
	alarm
}

// Disarm ends the alarms of members that had no space, and no others.
func (c *Client) Disarm(ctx context.Context, member string) error {
	var raised struct {
		Alarms []alarm `json:"alarms"`
	}
	const path = "maintenance/alarm"
	if err := c.call(ctx, callTimeout, member, path, alarmRequest{Action: "GET", alarm: alarm{Alarm: "NONE"}}, &raised); err != nil {
		return err
	}
	for _, one := range raised.Alarms {
		if one.Alarm != alarmNoSpace {
			continue
		}
		if err := c.call(ctx, callTimeout, member, path, alarmRequest{Action: "DEACTIVATE", alarm: one}, nil); err != nil {
			return err
		}
	}
	return nil
}

// refusal is a member's answer to a call that failed.
type refusal struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (r *refusal) Error() string { return r.Message }

// call decodes the answer, unless the caller wants none.
func (c *Client) call(ctx context.Context, timeout time.Duration, member, path string, question, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	body, err := json.Marshal(question)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+member+"/v3/"+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("%s: read the answer: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		refused := &refusal{Message: response.Status}
		if json.Unmarshal(content, refused) != nil {
			return fmt.Errorf("%s: %s", path, response.Status)
		}
		return fmt.Errorf("%s: %w", path, refused)
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(content, answer); err != nil {
		return fmt.Errorf("%s: read the answer: %w", path, err)
	}
	return nil
}
