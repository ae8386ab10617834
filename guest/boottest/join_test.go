package boottest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway.dev/guest/contract"
	"slipway.dev/guest/image"
)

const (
	machineName = "demo-x7k2p"
	version     = "v1.36.3"
)

// TestJoin is a worker's life: it boots, becomes a Ready node, runs a pod, and powers off when asked to.
func TestJoin(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cache := cacheDir(t)
	made, pause := build(ctx, t, cache)

	plugNetwork(t)
	plane := startControlPlane(ctx, t, filepath.Join(cache, "bin"))
	plane.awaitReady(ctx)
	plane.bootstrapRoles(ctx)

	g := boot(ctx, t, made, cloudInitDisk(t, plane))
	plane.kubectl(ctx, "wait", "--for=create", "--timeout=4m", "node/"+machineName)
	g.note("node registered")
	plane.kubectl(ctx, "wait", "--for=condition=Ready", "--timeout=4m", "node/"+machineName)
	g.note("node Ready")

	plane.kubectl(ctx, "create", "-f", plane.write("pod.yaml", pod(pause)))
	plane.kubectl(ctx, "wait", "--for=condition=Ready", "--timeout=2m", "pod/probe")
	g.note("pod runs")
	if ip := plane.kubectl(ctx, "get", "pod", "probe", "-o", "jsonpath={.status.podIP}"); !strings.HasPrefix(ip, "10.244.") {
		t.Errorf("pod has address %q, want one of %s", ip, podCIDR)
	}
	g.await(ctx, "kube-proxy started")
	if id := plane.kubectl(ctx, "get", "node", machineName, "-o", "jsonpath={.status.nodeInfo.machineID}"); id != strings.ReplaceAll(machineUUID, "-", "") {
		t.Errorf("machine ID %q does not come from the firmware's %s", id, machineUUID)
	}
	reportMemory(ctx, t, plane)

	g.pressPowerButton(ctx)
	select {
	case err := <-g.ended:
		if err != nil {
			t.Errorf("QEMU: %v", err)
		}
		g.note("powered off")
	case <-ctx.Done():
		t.Fatal("the guest did not power off")
	}
}

func (g *guest) note(what string) {
	fmt.Printf("%6.1fs cpu %5.1fs  -- %s\n", time.Since(g.started).Seconds(), cpuSeconds(g.pid), what)
}

func cacheDir(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("SLIPWAY_CACHE"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "slipway")
}

func build(ctx context.Context, t *testing.T, cache string) (made image.Result, pause string) {
	t.Helper()
	binary, err := image.FromBinary(filepath.Join(cache, "bin", "pause"))
	if err != nil {
		t.Fatal(err)
	}
	pause = "registry.slipway.internal/pause:" + version
	made, err = image.Build(ctx, image.Options{
		Cache: cache, Source: "..", Version: version, Pause: image.Preload{Reference: pause, Image: binary},
	})
	if err != nil {
		t.Fatal(err)
	}
	return made, pause
}

// pod is bound to the machine already, as there is no scheduler.
func pod(pause string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata: {name: probe}
spec:
  nodeName: %s
  automountServiceAccountToken: false
  containers: [{name: pause, image: "%s", imagePullPolicy: Never}]
`, machineName, pause)
}

// cloudInitDisk makes the disk that kvm-operator and KubeVirt would, with the same tool.
func cloudInitDisk(t *testing.T, plane *controlPlane) string {
	t.Helper()
	ca, err := os.ReadFile(plane.path("ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	files := []map[string]string{
		{"path": contract.ClusterCA, "content": base64.StdEncoding.EncodeToString(ca), "encoding": "b64"},
		{"path": contract.BootstrapKubeconfig, "permissions": "0600", "content": kubeconfig(contract.ClusterCA, "token: "+bootstrapToken)},
		{"path": contract.KubeletEnv, "content": "KUBELET_ARGS=\"--node-ip=" + guestAddress + " --hostname-override=" + machineName + "\"\n"},
		{"path": contract.KubeletConfig, "content": kubeletConfig},
		{"path": contract.KubeProxyConfig, "content": kubeProxyConfig},
		{"path": contract.KubeProxyKubeconfig, "content": kubeconfig(contract.ClusterCA,
			fmt.Sprintf("client-certificate: %s, client-key: %[1]s", contract.KubeletClientCert))},
		{"path": contract.CNITemplate, "content": cniTemplate},
	}
	userData, err := json.Marshal(map[string]any{"hostname": machineName, "write_files": files}) // JSON is YAML
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string]string{
		"user-data":      "#cloud-config\n" + string(userData),
		"meta-data":      "instance-id: " + machineName + "\n",
		"network-config": networkConfig,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	disk := filepath.Join(t.TempDir(), "cidata.iso")
	if out, err := exec.Command("xorrisofs", "-output", disk, "-volid", contract.CloudInitLabel, "-joliet", "-rock", dir).CombinedOutput(); err != nil {
		t.Fatalf("xorrisofs: %v: %s", err, out)
	}
	return disk
}

const networkConfig = `version: 2
ethernets:
  fabric:
    match: {macaddress: "` + guestMAC + `"}
    addresses: [` + guestAddress + `/24]
    gateway4: ` + gateway + `
    mtu: 1450
    nameservers: {addresses: [` + gateway + `]}
`

const kubeletConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: ` + contract.ContainerdEndpoint + `
cgroupDriver: ` + contract.CgroupDriver + `
authentication: {x509: {clientCAFile: ` + contract.ClusterCA + `}, webhook: {enabled: true}, anonymous: {enabled: false}}
authorization: {mode: Webhook}
rotateCertificates: true
clusterDomain: cluster.local
clusterDNS: [10.96.0.10]
failSwapOn: false
`

const kubeProxyConfig = `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clientConnection: {kubeconfig: ` + contract.KubeProxyKubeconfig + `}
clusterCIDR: ` + podCIDR + `
`

const cniTemplate = `{"cniVersion": "1.0.0", "name": "slipway", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "isDefaultGateway": true, "hairpinMode": true, "mtu": 1450,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "{{.PodCIDR}}"}]]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}
]}
`

// reportMemory prints what the kubelet measures; it fails only if the kubelet does not answer.
func reportMemory(ctx context.Context, t *testing.T, plane *controlPlane) {
	t.Helper()
	type memory struct {
		WorkingSetBytes, RSSBytes, AvailableBytes, UsageBytes uint64
	}
	var summary struct {
		Node struct {
			Memory           memory
			SystemContainers []struct {
				Name   string
				Memory memory
			}
		}
	}
	raw := plane.kubectl(ctx, "get", "--raw", "/api/v1/nodes/"+machineName+"/proxy/stats/summary")
	if err := json.Unmarshal([]byte(raw), &summary); err != nil {
		t.Fatal(err)
	}
	const mib = 1 << 20
	fmt.Printf("-- memory: node working set %d MiB, RSS %d MiB, available %d MiB\n",
		summary.Node.Memory.WorkingSetBytes/mib, summary.Node.Memory.RSSBytes/mib, summary.Node.Memory.AvailableBytes/mib)
	for _, c := range summary.Node.SystemContainers {
		fmt.Printf("-- memory: %s working set %d MiB, RSS %d MiB\n", c.Name, c.Memory.WorkingSetBytes/mib, c.Memory.RSSBytes/mib)
	}
}
