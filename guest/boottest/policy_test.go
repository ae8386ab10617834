package boottest

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// denyAll lets nobody connect to the web server, and allowTools lets the pod tools do so.
const (
	denyAll = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny-all}
spec: {podSelector: {matchLabels: {app: probe}}, policyTypes: [Ingress]}
`
	allowTools = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow-tools}
spec:
  podSelector: {matchLabels: {app: probe}}
  ingress: [{from: [{podSelector: {matchLabels: {app: tools}}}], ports: [{port: 8080}]}]
`
)

// checkPolicies has a pod connect to another of the same worker, whose policies change.
func checkPolicies(ctx context.Context, t *testing.T, plane *controlPlane) {
	t.Helper()
	connects := func() bool {
		_, err := plane.try(ctx, "exec", "tools", "--", "/machine/usr/bin/busybox", "wget", "-q", "-T", "2", "-O", "/dev/null", "http://"+serviceIP+"/hostname")
		return err == nil
	}
	await := func(want bool) error {
		limit, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		// There is nothing to watch: a policy has no status.
		for limit.Err() == nil {
			if connects() == want {
				return nil
			}
		}
		return fmt.Errorf("after a minute, that a connection is made is still %t", !want)
	}
	if !connects() {
		t.Error("nobody may connect, without a policy")
	}
	plane.kubectl(ctx, "create", "-f", plane.write("deny-all.yaml", denyAll))
	if err := await(false); err != nil {
		t.Errorf("with a policy that denies: %v", err)
	}
	plane.kubectl(ctx, "create", "-f", plane.write("allow-tools.yaml", allowTools))
	if err := await(true); err != nil {
		t.Errorf("with a policy that allows too: %v", err)
	}
	plane.kubectl(ctx, "delete", "networkpolicy", "--all")
}
