package main

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
)

// agent is the network-agent of a node, known by its token.
func (p *policies) agent(t *testing.T, node string) client.Client {
	t.Helper()
	who := rest.ImpersonationConfig{UserName: serviceAccount("network-agent")}
	if node != "" {
		who.Extra = map[string][]string{"authentication.kubernetes.io/node-name": {node}}
	}
	return p.as(t, who)
}

// TestNetworkAgentPolicies: an agent speaks for its own node alone.
func TestNetworkAgentPolicies(t *testing.T) {
	p := newPolicies(t, "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
	p.grantEverything(t)
	p.awaitEnforced(t, func() error {
		return p.agent(t, "node-2").Create(t.Context(), child(t, "HostNetwork", "", children["HostNetwork"]), client.DryRunAll)
	})
	port := child(t, "NetworkPort", p.hosted, children["NetworkPort"])
	if err := p.user(t, serviceAccount("cluster-operator")).Create(t.Context(), port); err != nil {
		t.Fatal(err)
	}
	// The policy is enforced as soon as it refuses; the operator's write above is none of its business.
	p.awaitEnforced(t, func() error { return p.attach(t, "node-2", port, "node-1") })
	t.Run("host networks", p.testHostNetworks)
	t.Run("attachments", func(t *testing.T) { p.testAttachments(t, port) })
	t.Run("identities", func(t *testing.T) { p.testIdentities(t, port) })
}

func (p *policies) testHostNetworks(t *testing.T) {
	const refusal = "HostNetwork node-1 is written by the agent of that node, and this is the agent of node-2"
	own, other, nowhere := p.agent(t, "node-1"), p.agent(t, "node-2"), p.agent(t, "")
	wantMessage(t, other.Create(t.Context(), child(t, "HostNetwork", "", children["HostNetwork"])), refusal)
	wantMessage(t, nowhere.Create(t.Context(), child(t, "HostNetwork", "", children["HostNetwork"])), "names no node")
	host := child(t, "HostNetwork", "", children["HostNetwork"])
	wantMessage(t, own.Create(t.Context(), host), "")
	for _, step := range []struct {
		c       client.Client
		refusal string
	}{{other, refusal}, {nowhere, "names no node"}, {own, ""}} {
		spec := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"mtu":1450}}`))
		wantMessage(t, step.c.Patch(t.Context(), host.DeepCopy(), spec), step.refusal)
		status := client.RawPatch("application/merge-patch+json", []byte(`{"status":{"networkCount":1}}`))
		wantMessage(t, step.c.Status().Patch(t.Context(), host.DeepCopy(), status), step.refusal)
	}
	wantMessage(t, other.Delete(t.Context(), host.DeepCopy()), refusal)
}

// attach writes an attachment as the agent of a node; none when at is empty.
func (p *policies) attach(t *testing.T, node string, port client.Object, at string) error {
	t.Helper()
	attachment := map[string]any{"attachment": nil}
	if at != "" {
		attachment["attachment"] = map[string]any{"nodeName": at, "containerID": "c"}
	}
	return p.patchStatus(t, node, port, attachment)
}

func (p *policies) patchStatus(t *testing.T, node string, port client.Object, status map[string]any) error {
	t.Helper()
	patch, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		t.Fatal(err)
	}
	return p.agent(t, node).Status().Patch(t.Context(), port.DeepCopyObject().(client.Object), client.RawPatch("application/merge-patch+json", patch))
}

func (p *policies) testAttachments(t *testing.T, port client.Object) {
	const refusal = "may say of a NetworkPort that it is plugged in there, or no longer, and nothing else"
	for _, step := range []struct{ what, node, at, refusal string }{
		{"elsewhere", "node-1", "node-2", refusal},
		{"without a node", "", "node-1", "names no node"},
		{"plugged in", "node-1", "node-1", ""},
		{"another clears it", "node-2", "", refusal},
		{"another leaves it as it is", "node-2", "node-1", refusal},
		{"plugged in elsewhere later", "node-2", "node-2", ""},
		{"the first clears what is no longer its own", "node-1", "", refusal},
		{"taken out", "node-2", "", ""},
	} {
		t.Run(step.what, func(t *testing.T) { wantMessage(t, p.attach(t, step.node, port, step.at), step.refusal) })
	}
}

// testIdentities changes each field of the status but the attachment.
func (p *policies) testIdentities(t *testing.T, port client.Object) {
	values := map[reflect.Kind]any{reflect.String: "changed", reflect.Int64: 7, reflect.Int32: 7, reflect.Slice: []any{
		map[string]any{"type": "Ready", "status": "True", "reason": "Forged", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"},
	}}
	for field := range reflect.TypeFor[v1alpha1.NetworkPortStatus]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "attachment" {
			continue
		}
		value, known := values[field.Type.Kind()]
		if !known {
			t.Fatalf("status.%s is a %s, for which the test has no value", name, field.Type.Kind())
		}
		t.Run(name, func(t *testing.T) {
			status := map[string]any{name: value, "attachment": map[string]any{"nodeName": "node-1", "containerID": "c"}}
			wantMessage(t, p.patchStatus(t, "node-1", port, status), "the network-agent writes attachment and nothing else")
		})
	}
}
