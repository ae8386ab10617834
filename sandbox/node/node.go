// Package node describes a machine that is a node of the management cluster:
// containerd, kubelet and the CNI plugins, each at its usual paths.
package node

import (
	_ "embed"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"text/template"

	"slipway.dev/sandbox/credentials"
	"slipway.dev/sandbox/layout"
	"slipway.dev/sandbox/machine"
	"slipway.dev/sandbox/supervise"
)

const (
	// MultusKubeconfig is, inside the node, the kubeconfig with which Multus reads pods and networks.
	MultusKubeconfig = "/etc/cni/net.d/multus.d/multus.kubeconfig"
	// MultusGroup is the group in that kubeconfig's certificate.
	MultusGroup = "slipway:multus"

	pluginFolder = "/opt/cni/bin"
)

var (
	//go:embed containerd.toml
	containerdTemplate string
	//go:embed hosts.toml
	hostsTemplate string
	//go:embed kubelet.yaml
	kubeletTemplate string
	//go:embed cni.json
	cniTemplate string
)

// Config is what a node is made of.
type Config struct {
	Layout      layout.Layout
	Node        layout.Node
	Credentials credentials.Set
	// Root is the folder of the machine's root file system.
	Root string
	// Programs has the components containerd, runc, kubernetes, cni-plugins and multus.
	Programs machine.Programs
	// PauseImage is the image of every pod's sandbox.
	PauseImage string
}

// Machine renders a node. Its kubeconfigs are not among the files.
func Machine(c Config) machine.Machine {
	return machine.Machine{
		Namespace: c.Node.Namespace,
		Cgroup:    c.Node.Cgroup,
		Files:     c.files(),
		Spec: supervise.Spec{
			Hostname:    c.Node.Name,
			Root:        c.Root,
			Binds:       c.binds(),
			Pinned:      kernelSettings(),
			Sysctls:     networkSettings(),
			Environment: []string{"PATH=" + c.Programs.SearchPath()},
			Logs:        "/var/log",
			Services:    c.services(),
		},
	}
}

func (c Config) files() machine.Files {
	hosts := map[string]netip.Addr{layout.RegistryHost: layout.HubAddress}
	for _, n := range c.Layout.Nodes {
		hosts[n.Name] = n.Address
	}
	files := machine.Identity(c.Node.Name, hosts, layout.HubAddress)
	certs := filepath.Join("/etc/containerd/certs.d", layout.RegistryHost)
	data := map[string]any{
		"Node":          c.Node,
		"ClusterDNS":    layout.ClusterDNS,
		"PauseImage":    c.PauseImage,
		"Runc":          c.Programs.Path("runc", "runc"),
		"Registry":      layout.RegistryHost,
		"Address":       netip.AddrPortFrom(layout.HubAddress, layout.RegistryPort),
		"Authorization": c.Credentials.BasicAuth(),
	}
	files["/etc/containerd/config.toml"] = machine.Text(render(containerdTemplate, data))
	files[certs+"/hosts.toml"] = machine.Secret([]byte(render(hostsTemplate, data)))
	files[certs+"/ca.crt"] = machine.File{Content: c.Credentials.CACertificate}
	files["/etc/kubernetes/kubelet.yaml"] = machine.Text(render(kubeletTemplate, data))
	files["/etc/cni/net.d/00-multus.conf"] = machine.Text(render(cniTemplate, data))
	return files
}

// binds puts the CNI plugins, one by one, into a folder that stays writable:
// workloads install plugins of their own there.
func (c Config) binds() []supervise.Bind {
	binds := c.Programs.Binds()
	for plugin, component := range map[string]string{
		"bridge": "cni-plugins", "host-local": "cni-plugins", "loopback": "cni-plugins",
		"portmap": "cni-plugins", "ptp": "cni-plugins", "multus": "multus",
	} {
		binds = append(binds, supervise.Bind{
			Source: c.Programs.Path(component, plugin),
			Target: filepath.Join(pluginFolder, plugin),
		})
	}
	return binds
}

func (c Config) services() []supervise.Service {
	return []supervise.Service{
		{Name: "containerd", Command: []string{
			c.Programs.Path("containerd", "containerd"), "--config", "/etc/containerd/config.toml"}},
		{Name: "kubelet", Command: []string{
			c.Programs.Path("kubernetes", "kubelet"),
			"--config=/etc/kubernetes/kubelet.yaml",
			"--kubeconfig=/etc/kubernetes/kubelet.conf",
			"--hostname-override=" + c.Node.Name,
			"--node-ip=" + c.Node.Address.String(),
		}},
	}
}

// kernelSettings are the kernel-wide settings that kubelet makes, with the
// values it wants to find. It gets files with them, as the kernel is the
// host's.
func kernelSettings() map[string]string {
	return map[string]string{
		"vm/overcommit_memory":      "1",
		"vm/panic_on_oom":           "0",
		"kernel/panic":              "10",
		"kernel/panic_on_oops":      "1",
		"kernel/keys/root_maxkeys":  "1000000",
		"kernel/keys/root_maxbytes": "25000000",
	}
}

// networkSettings make the node a router. Frames on a bridge stay out of its
// firewall: each pod has a routed link of its own, and the bridges are those of
// tenants, whose addresses may overlap.
func networkSettings() map[string]string {
	return map[string]string{
		"net/ipv4/ip_forward":                 "1",
		"net/bridge/bridge-nf-call-iptables":  "0",
		"net/bridge/bridge-nf-call-ip6tables": "0",
		"net/bridge/bridge-nf-call-arptables": "0",
	}
}

// render fills in one of the templates above, which are part of the program:
// an error is a mistake in it.
func render(text string, data any) string {
	var out strings.Builder
	if err := template.Must(template.New("").Option("missingkey=error").Parse(text)).Execute(&out, data); err != nil {
		panic(fmt.Sprint("rendering a node's configuration: ", err))
	}
	return out.String()
}
