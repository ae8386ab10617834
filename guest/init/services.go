package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"slipway.dev/guest/cloudinit"
	"slipway.dev/guest/contract"
	"slipway.dev/guest/kernel"
	"slipway.dev/guest/registries"
	"slipway.dev/guest/supervise"
)

const servicesCgroup = cgroupRoot + "/slipway"

// Fewer garbage collections during start-up matter more under emulation than the few megabytes which they free; the
// soft limits make up for it when a service really grows. Bytes are chosen well above what an idle node uses.
var (
	containerdEnv = []string{"GOGC=200", "GOMEMLIMIT=96MiB"}
	kubeletEnv    = []string{"GOGC=200", "GOMEMLIMIT=128MiB"}
	kubeProxyEnv  = []string{"GOMEMLIMIT=64MiB"}
	policiesEnv   = []string{"GOMEMLIMIT=64MiB"}
)

func containerdService() supervise.Service {
	return supervise.Service{
		Name: "containerd", Argv: []string{"/usr/bin/containerd", "--config", "/etc/containerd/config.toml"},
		Env: containerdEnv, Grace: 5 * time.Second,
	}
}

// kubeletService reads the files that cloud-init data brought.
func kubeletService() (supervise.Service, error) {
	argv := []string{"/usr/bin/kubelet", "--config=" + contract.KubeletConfig, "--kubeconfig=" + contract.KubeletKubeconfig}
	if exists(contract.BootstrapKubeconfig) {
		argv = append(argv, "--bootstrap-kubeconfig="+contract.BootstrapKubeconfig)
	}
	variables, err := kubeletVariables(contract.KubeletEnv)
	if err != nil {
		return supervise.Service{}, err
	}
	extra, err := cloudinit.SplitArguments(variables[contract.KubeletArgs])
	if err != nil {
		return supervise.Service{}, fmt.Errorf("%s: %s: %w", contract.KubeletEnv, contract.KubeletArgs, err)
	}
	return supervise.Service{Name: "kubelet", Argv: append(argv, extra...), Env: kubeletEnv, Grace: 10 * time.Second}, nil
}

// kubeletVariables reads the variables that come with cloud-init data.
func kubeletVariables(path string) (map[string]string, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	variables, err := cloudinit.ParseEnvironment(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return variables, nil
}

func kubeProxyService(hostname string) supervise.Service {
	return supervise.Service{
		Name: "kube-proxy", Argv: []string{"/usr/bin/kube-proxy", "--config=" + contract.KubeProxyConfig, "--hostname-override=" + hostname},
		Env: kubeProxyEnv, Grace: 2 * time.Second,
	}
}

// networkPoliciesService says no when nobody answers: a policy that a crash or a full queue lifts protects nobody.
func networkPoliciesService(hostname string) supervise.Service {
	return supervise.Service{
		Name: "kube-network-policies", Argv: []string{
			"/usr/bin/kube-network-policies", "--kubeconfig=" + contract.KubeProxyKubeconfig, "--hostname-override=" + hostname,
			"--fail-open=false",
			"--disable-nri",                      // containerd has none
			"--netfilter-bug-1766-fix=false",     // the kernel has been mended
			"--metrics-bind-address=127.0.0.1:0", // whatever port a workload wants stays free
		},
		Env: policiesEnv, Grace: time.Second,
	}
}

// runContainerd runs containerd until ctx ends.
func (m *machine) runContainerd(ctx context.Context) {
	m.background.Go(func() {
		if kernel.AwaitFile(ctx, contract.ContainerdSocket) == nil {
			m.report("containerd ready")
		}
	})
	m.run(ctx, containerdService())
}

// runNode runs kubelet and kube-proxy, if this machine has been told to be a node.
func (m *machine) runNode(ctx context.Context) {
	if !exists(contract.KubeletConfig) {
		m.report("no %s, no kubelet", contract.KubeletConfig)
		return
	}
	kubelet, err := kubeletService()
	if err != nil {
		m.report("kubelet: %v", err)
		return
	}
	// A kubelet that has its certificate from an earlier start asks containerd at once, and ends if there is no answer.
	if exists(contract.KubeletClientCert) && kernel.AwaitFile(ctx, contract.ContainerdSocket) != nil {
		return
	}
	m.background.Go(func() { m.run(ctx, kubelet) })
	m.report("kubelet started")
	if err := kernel.AwaitFile(ctx, contract.KubeletClientCert); err != nil {
		return
	}
	m.report("kubelet has its certificate")
	m.awaitPodNetwork(ctx)
	// The kubelet does not sync the certificate to disk, and its token may be gone when the guest comes back from a crash.
	unix.Sync()
	m.preparePods()
	m.runPodNetwork(ctx)
	if exists(contract.RegistryHosts) {
		follower := registries.Follower{Kubeconfig: contract.KubeProxyKubeconfig, Dir: contract.RegistryHosts, Report: m.report}
		m.background.Go(func() { follower.Run(ctx) })
	}
}

// awaitPodNetwork returns when containerd has written the CNI configuration, which is just before the node becomes
// Ready. Everything that only pods need is put off until then, as it would take time from the kubelet; kube-proxy also
// needs the kubelet's certificate, and waits for its Node anyway. Without the template the network is the tenant's business, and may need kube-proxy to come up.
func (m *machine) awaitPodNetwork(ctx context.Context) {
	if !exists(contract.CNITemplate) {
		return
	}
	if kernel.AwaitFile(ctx, contract.CNIConfigDir+"/10-containerd-net.conflist") == nil {
		m.report("pod network known")
	}
}

// runPodNetwork runs what makes Services and NetworkPolicies work.
func (m *machine) runPodNetwork(ctx context.Context) {
	if !exists(contract.KubeProxyConfig) || ctx.Err() != nil {
		return
	}
	hostname, err := os.Hostname()
	if err != nil {
		m.report("kube-proxy: %v", err)
		return
	}
	m.background.Go(func() { m.run(ctx, kubeProxyService(hostname)) })
	m.report("kube-proxy started")
	if exists(contract.CNITemplate) {
		m.background.Go(func() { m.run(ctx, networkPoliciesService(hostname)) })
		m.report("kube-network-policies started")
	}
}

func (m *machine) run(ctx context.Context, s supervise.Service) {
	if err := m.supervisor.Run(ctx, s); err != nil {
		m.report("%s: %v", s.Name, err)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
