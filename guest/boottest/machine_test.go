package boottest

import (
	"context"
	"strings"
	"testing"
)

// tools is a privileged pod that has the machine's root, and with it a shell.
const tools = `apiVersion: v1
kind: Pod
metadata: {name: tools}
spec:
  nodeName: ` + machineName + `
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  containers:
  - name: tools
    image: ` + agnhost + `
    imagePullPolicy: Never
    command: [/machine/usr/bin/busybox, sleep, "86400"]
    securityContext: {privileged: true}
    volumeMounts: [{name: machine, mountPath: /machine}]
  volumes: [{name: machine, hostPath: {path: /}}]
`

// lookAround is for what software expects of a machine.
func lookAround(ctx context.Context, t *testing.T, plane *controlPlane) {
	t.Helper()
	plane.kubectl(ctx, "create", "-f", plane.write("tools.yaml", tools))
	plane.kubectl(ctx, "wait", "--for=condition=Ready", "--timeout=2m", "pod/tools")
	shell := func(script string) string {
		return plane.kubectl(ctx, "exec", "tools", "--", "/machine/usr/bin/busybox", "sh", "-c", script)
	}

	for limit, want := range map[string]string{"-Sn": "1048576", "-Hn": "1048576", "-Hp": "unlimited", "-Hc": "unlimited"} {
		if got := strings.TrimSpace(shell("ulimit " + limit)); got != want {
			t.Errorf("ulimit %s is %q, want %s", limit, got, want)
		}
	}
	// Their modules are loaded when they are opened.
	for _, device := range []string{"net/tun", "fuse", "loop-control"} {
		if out := shell("exec 3<>/machine/dev/" + device + " && echo open"); !strings.HasPrefix(out, "open") {
			t.Errorf("/dev/%s: %s", device, out)
		}
	}
}
