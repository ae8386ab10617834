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

// confined is a pod with what confines pods: a user namespace, and AppArmor's profile of the runtime.
const confined = `apiVersion: v1
kind: Pod
metadata: {name: confined}
spec:
  nodeName: ` + machineName + `
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  hostUsers: false
  securityContext: {appArmorProfile: {type: RuntimeDefault}}
  containers:
  - name: confined
    image: ` + agnhost + `
    imagePullPolicy: Never
    command: [/tools/busybox, sleep, "86400"]
    volumeMounts: [{name: tools, mountPath: /tools, readOnly: true}]
  volumes: [{name: tools, hostPath: {path: /usr/bin}}]
`

// lookAround is for what software expects of a machine.
func lookAround(ctx context.Context, t *testing.T, plane *controlPlane) {
	t.Helper()
	plane.kubectl(ctx, "create", "-f", plane.write("tools.yaml", tools))
	plane.kubectl(ctx, "create", "-f", plane.write("confined.yaml", confined))
	plane.kubectl(ctx, "wait", "--for=condition=Ready", "--timeout=2m", "pod/tools", "pod/confined")
	shell := func(script string) string {
		return plane.kubectl(ctx, "exec", "tools", "--", "/machine/usr/bin/busybox", "sh", "-c", script)
	}

	limits := shell("/machine/usr/bin/busybox cat /proc/self/limits")
	for limit, want := range map[string]string{
		"Max open files": "1048576 1048576", "Max processes": "unlimited unlimited", "Max core file size": "unlimited unlimited",
	} {
		_, rest, _ := strings.Cut(limits, limit+" ")
		if got := strings.Join(strings.Fields(rest)[:2], " "); got != want {
			t.Errorf("%s: %q, want %s", limit, got, want)
		}
	}
	// What workloads and drivers of storage and networks load.
	const modules = "nfs nfsv4 cifs ceph rbd nbd iscsi_tcp xfs quota_v2 dm_mod dm_crypt dm_thin_pool wireguard vxlan sctp br_netfilter " +
		"ip_vs ip_vs_rr ip_tables iptable_nat ip6_tables xt_comment xt_conntrack xt_MASQUERADE nft_compat"
	if out := shell("/machine/usr/bin/busybox chroot /machine modprobe -a " + modules + " 2>&1 && echo loaded"); !strings.HasPrefix(out, "loaded") {
		t.Errorf("modprobe: %s", out)
	}
	if out := strings.TrimSpace(shell("/machine/usr/bin/busybox wc -l < /proc/swaps")); out != "1" { // its header
		t.Errorf("swap is on: /proc/swaps has %s lines", out)
	}
	// Their modules are loaded when they are opened.
	for _, device := range []string{"net/tun", "fuse", "loop-control"} {
		if out := shell("exec 3<>/machine/dev/" + device + " && echo open"); !strings.HasPrefix(out, "open") {
			t.Errorf("/dev/%s: %s", device, out)
		}
	}

	inside := func(file string) string {
		return plane.kubectl(ctx, "exec", "confined", "--", "/tools/busybox", "cat", file)
	}
	if got := inside("/proc/self/attr/current"); !strings.HasPrefix(got, "cri-containerd.apparmor.d (enforce)") {
		t.Errorf("AppArmor's profile of a pod is %q", got)
	}
	if got := strings.Fields(inside("/proc/self/uid_map")); len(got) != 3 || got[0] != "0" || got[1] == "0" {
		t.Errorf("users of a pod with a user namespace are mapped as %q", got)
	}
}
