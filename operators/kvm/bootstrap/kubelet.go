package bootstrap

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/guest/contract"
)

// kubeletConfig is what kubeadm writes, and what differs in our guest. Fields
// that are left out have the defaults of the kubelet that reads them, so a
// newer operator never hands an older kubelet a field that it does not know.
func kubeletConfig(in Input) map[string]any {
	config := map[string]any{
		"apiVersion": "kubelet.config.k8s.io/v1beta1",
		"kind":       "KubeletConfiguration",
		"authentication": map[string]any{
			"anonymous": map[string]any{"enabled": false},
			"webhook":   map[string]any{"enabled": true},
			"x509":      map[string]any{"clientCAFile": contract.ClusterCA},
		},
		"authorization":            map[string]any{"mode": "Webhook"},
		"cgroupDriver":             contract.CgroupDriver,
		"clusterDNS":               []string{in.Spec.Cluster.DNSAddress},
		"clusterDomain":            in.Spec.Cluster.DNSDomain,
		"containerRuntimeEndpoint": contract.ContainerdEndpoint,
		"providerID":               providerID(in.Namespace, in.Name),
		"resolvConf":               "/etc/resolv.conf",
		"rotateCertificates":       true,
		"serverTLSBootstrap":       true,
		// What init and the services of the guest say is read as on a machine with journald.
		"enableSystemLogQuery": true,
		// A node's first pods need several images at once.
		"serializeImagePulls":   false,
		"maxParallelImagePulls": 4,
		// kube-proxy uses nftables, and the guest has no iptables.
		"makeIPTablesUtilChains": false,
		// The default lies on the read-only root.
		"volumePluginDir": "/var/lib/kubelet/volumeplugins",
		"kubeReserved":    reserved,
	}
	if settings := in.Spec.Kubelet; settings != nil {
		applySettings(config, *settings)
	}
	var taints []map[string]any
	for _, taint := range in.Spec.Taints {
		taints = append(taints, map[string]any{"key": taint.Key, "value": string(taint.Value), "effect": string(taint.Effect)})
	}
	if len(taints) > 0 {
		config["registerWithTaints"] = taints
	}
	return config
}

// reserved is what containerd, the kubelet and kube-proxy need beside the pods.
var reserved = map[string]string{"cpu": "50m", "memory": "200Mi", "ephemeral-storage": "500Mi"}

// evictionHard are the kubelet's own thresholds. It forgets them all where one is set.
var evictionHard = map[string]string{
	"memory.available": "100Mi", "nodefs.available": "10%", "nodefs.inodesFree": "5%", "imagefs.available": "15%", "imagefs.inodesFree": "5%",
}

func applySettings(config map[string]any, settings v1alpha1.KubeletSettings) {
	if settings.MaxPods != nil {
		config["maxPods"] = *settings.MaxPods
	}
	kept := maps.Clone(reserved)
	kept["cpu"] = cmp.Or(settings.Reserved.CPU, kept["cpu"])
	kept["memory"] = cmp.Or(settings.Reserved.Memory, kept["memory"])
	config["kubeReserved"] = kept
	if len(settings.EvictionHard) > 0 {
		thresholds := maps.Clone(evictionHard)
		for signal, threshold := range settings.EvictionHard {
			thresholds[signal] = string(threshold)
		}
		config["evictionHard"] = thresholds
	}
}

// kubeletEnv holds the flags that KubeletConfiguration has no field for. The
// line is split at white space and the labels at commas, and neither can be
// quoted for every reader: validate keeps both out. A stock image leaves out the
// time that pods have when the guest is stopped.
func kubeletEnv(in Input, address netip.Addr) string {
	labels := labels(in.Pool, in.Spec)
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		pairs = append(pairs, key+"="+labels[key])
	}
	variables := fmt.Sprintf("KUBELET_ARGS=--node-ip=%s --hostname-override=%s --node-labels=%s\n", address, in.Name, strings.Join(pairs, ","))
	if in.Spec.Kubelet != nil && in.Spec.Kubelet.ShutdownGracePeriodSeconds != nil {
		variables += fmt.Sprintf("%s=%d\n", contract.ShutdownGracePeriod, *in.Spec.Kubelet.ShutdownGracePeriodSeconds)
	}
	return variables
}

// kubeProxyConfig leaves conntrack's settings as they are: the guest's init
// makes the kernel settings, and kube-proxy need not be allowed to.
func kubeProxyConfig(in Input) map[string]any {
	return map[string]any{
		"apiVersion":       "kubeproxy.config.k8s.io/v1alpha1",
		"kind":             "KubeProxyConfiguration",
		"mode":             "nftables",
		"clusterCIDR":      string(in.Spec.Cluster.PodCIDR),
		"hostnameOverride": in.Name,
		"clientConnection": map[string]any{"kubeconfig": contract.KubeProxyKubeconfig},
		"conntrack": map[string]any{
			"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s",
		},
	}
}

func bootstrapKubeconfig(in Input) map[string]any {
	return kubeconfig(in, "kubelet-bootstrap", map[string]any{"token": in.Token.Bearer()})
}

// kubeProxyKubeconfig uses the kubelet's certificate, which the kubelet renews
// in this very file.
func kubeProxyKubeconfig(in Input) map[string]any {
	return kubeconfig(in, "kube-proxy", map[string]any{
		"client-certificate": contract.KubeletClientCert, "client-key": contract.KubeletClientCert,
	})
}

func kubeconfig(in Input, user string, credentials map[string]any) map[string]any {
	const name = "default"
	return map[string]any{
		"apiVersion": "v1",
		"kind":       "Config",
		"clusters": []map[string]any{{"name": name, "cluster": map[string]any{
			"server": in.Spec.Cluster.APIServer, "certificate-authority": contract.ClusterCA,
		}}},
		"users":           []map[string]any{{"name": user, "user": credentials}},
		"contexts":        []map[string]any{{"name": name, "context": map[string]any{"cluster": name, "user": user}}},
		"current-context": name,
	}
}
