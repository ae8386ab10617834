package boottest

import (
	"context"
	"strings"
	"testing"
)

// tools is a privileged pod that has the machine's root, and with it a shell.
const tools = `apiVersion: v1
kind: Pod
metadata: {name: tools, labels: {app: tools}}
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

// confined is a pod with what confines pods: a user namespace, and the runtime's profiles of AppArmor and seccomp.
const confined = `apiVersion: v1
kind: Pod
metadata: {name: confined}
spec:
  nodeName: ` + machineName + `
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  hostUsers: false
  securityContext: {appArmorProfile: {type: RuntimeDefault}, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: confined
    image: ` + agnhost + `
    imagePullPolicy: Never
    command: [/tools/busybox, sleep, "86400"]
    volumeMounts: [{name: tools, mountPath: /tools, readOnly: true}]
  volumes: [{name: tools, hostPath: {path: /usr/bin}}]
`

// block is a pod with a volume that has no file system.
const block = `apiVersion: v1
kind: PersistentVolume
metadata: {name: raw}
spec:
  capacity: {storage: 16Mi}
  accessModes: [ReadWriteOnce]
  volumeMode: Block
  storageClassName: raw
  local: {path: /dev/loop7}
  nodeAffinity:
    required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [` + machineName + `]}]}]}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: raw}
spec:
  accessModes: [ReadWriteOnce]
  volumeMode: Block
  storageClassName: raw
  resources: {requests: {storage: 16Mi}}
---
apiVersion: v1
kind: Pod
metadata: {name: block}
spec:
  nodeName: ` + machineName + `
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  containers:
  - name: block
    image: ` + agnhost + `
    imagePullPolicy: Never
    command: [/tools/busybox, sleep, "86400"]
    volumeMounts: [{name: tools, mountPath: /tools, readOnly: true}]
    volumeDevices: [{name: raw, devicePath: /dev/raw-volume}]
  volumes:
  - {name: tools, hostPath: {path: /usr/bin}}
  - {name: raw, persistentVolumeClaim: {claimName: raw}}
`

// lookAround is for what software expects of a machine.
func lookAround(ctx context.Context, t *testing.T, plane *controlPlane) {
	t.Helper()
	plane.kubectl(ctx, "create", "-f", plane.write("tools.yaml", tools))
	plane.kubectl(ctx, "create", "-f", plane.write("confined.yaml", confined))
	plane.kubectl(ctx, "wait", "--for=condition=Ready", "--timeout=2m", "pod/tools", "pod/confined")
	onMachine := func(script string) string {
		return strings.TrimSpace(plane.kubectl(ctx, "exec", "tools", "--", "/machine/usr/bin/busybox", "chroot", "/machine", "sh", "-c", script))
	}
	checkLimits(t, onMachine("cat /proc/self/limits"))
	checkModules(t, onMachine)
	if mask := onMachine("cat /sys/kernel/mm/lru_gen/enabled"); mask != "0x0000" {
		t.Errorf("the multi-generational LRU is on, %s: the kubelet takes files that were read for memory in use", mask)
	}
	checkConfinement(t, func(file string) string {
		return plane.kubectl(ctx, "exec", "confined", "--", "/tools/busybox", "cat", file)
	})
	if modules := onMachine("cat /sys/kernel/security/lsm"); !strings.Contains(modules, "landlock") || !strings.Contains(modules, "apparmor") {
		t.Errorf("security modules are %s, want landlock and apparmor among them", modules)
	}
	checkBlockVolume(ctx, t, plane, onMachine)
	checkNFSVolume(ctx, t, plane)
	checkPolicies(ctx, t, plane)
	for service, said := range map[string]string{"init": "root mounted", "kubelet": "Starting kubelet", "containerd": "containerd successfully booted", "kube-network-policies": "Starting controller"} {
		if log := plane.kubectl(ctx, "get", "--raw", logQuery(service)); !strings.Contains(log, said) {
			t.Errorf("the log of %s does not have %q:\n%s", service, said, log)
		}
	}
}

func checkLimits(t *testing.T, limits string) {
	t.Helper()
	for limit, want := range map[string]string{
		"Max open files": "1048576 1048576", "Max processes": "unlimited unlimited", "Max core file size": "unlimited unlimited",
	} {
		_, rest, _ := strings.Cut(limits, limit+" ")
		if !strings.HasPrefix(strings.Join(strings.Fields(rest), " "), want) {
			t.Errorf("%s is not %s:\n%s", limit, want, limits)
		}
	}
}

// checkModules is about what workloads and drivers of storage and networks load, and open.
func checkModules(t *testing.T, onMachine func(script string) string) {
	t.Helper()
	const modules = "nfs nfsv4 cifs ceph rbd nbd iscsi_tcp xfs quota_v2 dm_mod dm_crypt dm_thin_pool wireguard vxlan sctp br_netfilter " +
		"ip_vs ip_vs_rr ip_tables iptable_nat ip6_tables xt_comment xt_conntrack xt_MASQUERADE nft_compat"
	if out := onMachine("modprobe -a " + modules + " 2>&1 && echo loaded"); out != "loaded" {
		t.Errorf("modprobe: %s", out)
	}
	// The modules of these are loaded when somebody opens them.
	for _, device := range []string{"/dev/net/tun", "/dev/fuse", "/dev/loop-control"} {
		if out := onMachine("exec 3<>" + device + " && echo open"); out != "open" {
			t.Errorf("%s: %s", device, out)
		}
	}
	if swaps := onMachine("tail -n +2 /proc/swaps"); swaps != "" {
		t.Errorf("swap is on: %s", swaps)
	}
}

func checkConfinement(t *testing.T, inPod func(file string) string) {
	t.Helper()
	if got := inPod("/proc/self/attr/current"); !strings.HasPrefix(got, "cri-containerd.apparmor.d (enforce)") {
		t.Errorf("AppArmor's profile of a pod is %q", got)
	}
	if status := inPod("/proc/self/status"); !strings.Contains(status, "Seccomp:\t2\n") {
		t.Errorf("a pod with a seccomp profile has no filter:\n%s", status)
	}
	if got := strings.Fields(inPod("/proc/self/uid_map")); len(got) != 3 || got[0] != "0" || got[1] == "0" {
		t.Errorf("users of a pod with a user namespace are mapped as %q", got)
	}
}

func checkBlockVolume(ctx context.Context, t *testing.T, plane *controlPlane, onMachine func(script string) string) {
	t.Helper()
	onMachine("truncate -s 16M /var/raw && losetup /dev/loop7 /var/raw")
	plane.kubectl(ctx, "create", "-f", plane.write("block.yaml", block))
	plane.kubectl(ctx, "wait", "--for=condition=Ready", "--timeout=2m", "pod/block")
	plane.kubectl(ctx, "exec", "block", "--", "/tools/busybox", "sh", "-c", "echo written > /dev/raw-volume && /tools/busybox sync")
	if got := onMachine("head -n 1 /var/raw"); got != "written" {
		t.Errorf("what a pod has written to a block volume is %q", got)
	}
}
