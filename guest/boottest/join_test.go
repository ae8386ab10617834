package boottest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
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

// TestJoin is a worker's life: it boots, becomes a Ready node, runs a pod that a Service leads to, comes back from a
// crash, and powers off when asked to.
func TestJoin(t *testing.T) {
	// Not the test's own context, which ends before the logs of a failure are fetched.
	ctx, cancel := context.WithTimeout(context.Background(), 9*time.Minute)
	t.Cleanup(cancel)
	cache := cacheDir(t)
	made := build(ctx, t, cache)

	plugNetwork(t)
	plane := startControlPlane(ctx, t, filepath.Join(cache, "bin"))
	plane.bootstrapRoles(ctx)

	state, cidata := stateDisk(t), cloudInitDisk(t, plane)
	g := boot(ctx, t, made, state, cidata)
	t.Cleanup(func() { showGuestLogs(t, plane) })
	plane.kubectl(ctx, "wait", "--for=create", "--timeout=4m", "node/"+machineName)
	g.note("node registered")
	plane.kubectl(ctx, "wait", "--for=condition=Ready", "--timeout=4m", "node/"+machineName)
	g.note("node Ready")
	if id := plane.kubectl(ctx, "get", "node", machineName, "-o", "jsonpath={.status.nodeInfo.machineID}"); id != strings.ReplaceAll(machineUUID, "-", "") {
		t.Errorf("machine ID %q does not come from the firmware's %s", id, machineUUID)
	}
	if cpus := plane.kubectl(ctx, "get", "node", machineName, "-o", "jsonpath={.status.capacity.cpu}"); cpus != "2" {
		t.Errorf("the node has %s processors, want 2: those that the kernel leaves off are init's to turn on", cpus)
	}
	runPod(ctx, t, plane, g)
	reportMemory(ctx, t, plane)
	lookAround(ctx, t, plane)

	// The state disk was not unmounted, and everything comes back from it.
	g.crash()
	g = boot(ctx, t, made, state, cidata)
	plane.kubectl(ctx, "wait", "--for=jsonpath={.status.containerStatuses[0].restartCount}=1", "--timeout=4m", "pod/probe")
	plane.kubectl(ctx, "wait", "--for=condition=Ready", "--timeout=4m", "pod/probe")
	g.note("pod Ready after a crash")

	g.command(ctx, "system_powerdown") // the power button, which is what virsh shutdown presses
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

// showGuestLogs prints what can be had of a guest in which the test failed.
func showGuestLogs(t *testing.T, plane *controlPlane) {
	if !t.Failed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, args := range [][]string{
		{"get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"}, {"get", "pods", "--all-namespaces", "-o", "yaml"},
		{"get", "--raw", logQuery("kubelet")}, {"get", "--raw", logQuery("containerd")},
	} {
		out, err := plane.try(ctx, args...)
		t.Logf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out[max(0, len(out)-20000):])
	}
}

// logQuery is how the kubelet is asked for the log of a service.
func logQuery(service string) string {
	return "/api/v1/nodes/" + machineName + "/proxy/logs/?query=" + service
}

// runPod runs a web server that is among the preloaded images, and reaches it in every way there is.
func runPod(ctx context.Context, t *testing.T, plane *controlPlane, g *guest) {
	t.Helper()
	plane.kubectl(ctx, "create", "-f", plane.write("pod.yaml", pod))
	plane.kubectl(ctx, "wait", "--for=condition=Ready", "--timeout=4m", "pod/probe")
	g.note("pod Ready")
	ip := plane.kubectl(ctx, "get", "pod", "probe", "-o", "jsonpath={.status.podIP}")
	if !strings.HasPrefix(ip, "10.244.") {
		t.Errorf("pod has address %q, want one of %s", ip, podCIDR)
	}
	if out := plane.kubectl(ctx, "logs", "probe"); !strings.Contains(out, "Started HTTP server") {
		t.Errorf("logs: %q", out)
	}
	if out := plane.kubectl(ctx, "exec", "probe", "--", "/agnhost", "--version"); !strings.Contains(out, "version") {
		t.Errorf("exec: %q", out)
	}
	g.await(ctx, "kube-proxy started")
	for name, address := range map[string]string{"pod": ip + ":8080", "Service": serviceIP + ":80", "host port": guestAddress + ":8081"} {
		if got := fetch(ctx, t, "http://"+address+"/hostname"); got != "probe" {
			t.Errorf("%s at %s answers %q, want the pod's name", name, address, got)
		}
		g.note(name + " answers")
	}
}

// fetch asks until somebody answers, as kube-proxy and CNI have no state to watch from outside.
func fetch(ctx context.Context, t *testing.T, url string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			if err == nil {
				return string(body)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Errorf("%s: %v", url, err)
			return ""
		}
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

func build(ctx context.Context, t *testing.T, cache string) image.Result {
	t.Helper()
	options := image.Options{Cache: cache, Source: "..", Version: version}
	for reference, into := range map[string]*image.Preload{
		"registry.slipway.internal/pause:" + version: &options.Pause, agnhost: {},
	} {
		program := strings.Split(filepath.Base(reference), ":")[0]
		content, err := image.FromBinary(filepath.Join(cache, "bin", program))
		if err != nil {
			t.Fatal(err)
		}
		*into = image.Preload{Reference: reference, Image: content}
		if into != &options.Pause {
			options.Images = append(options.Images, *into)
		}
	}
	made, err := image.Build(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

const (
	agnhost   = "registry.slipway.internal/agnhost:" + version
	serviceIP = "10.96.0.80"
)

// pod is bound to the machine already, as there is no scheduler.
const pod = `apiVersion: v1
kind: Pod
metadata: {name: probe, labels: {app: probe}}
spec:
  nodeName: ` + machineName + `
  automountServiceAccountToken: false
  containers:
  - name: web
    image: ` + agnhost + `
    imagePullPolicy: Never
    args: [netexec, --http-port=8080]
    ports: [{containerPort: 8080, hostPort: 8081}]
    readinessProbe: {httpGet: {port: 8080, path: /hostname}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: probe}
spec:
  clusterIP: ` + serviceIP + `
  selector: {app: probe}
  ports: [{port: 80, targetPort: 8080}]
`

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
enableSystemLogQuery: true
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
  {"type": "portmap", "backend": "nftables", "capabilities": {"portMappings": true}}
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
