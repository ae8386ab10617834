// Package controlplane lets kubeadm write the certificates, kubeconfigs and
// static pods of the management cluster's control plane.
package controlplane

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"

	"slipway.dev/sandbox/layout"
	"slipway.dev/sandbox/machine"
)

const (
	configPath      = "/etc/kubernetes/kubeadm.yaml"
	auditPolicyPath = "/etc/kubernetes/audit-policy.yaml"
	// AdminKubeconfig is, inside the first node, the kubeconfig of the cluster's administrator.
	AdminKubeconfig = "/etc/kubernetes/super-admin.conf"
	// CACertificate is, inside the first node, the certificate of the cluster's authority.
	CACertificate = "/etc/kubernetes/pki/ca.crt"
	// KubeletKubeconfig is, inside each node, kubelet's kubeconfig.
	KubeletKubeconfig = "/etc/kubernetes/kubelet.conf"
	// AuditLog is, inside the first node, where the API server writes what
	// Slipway's service accounts ask of it; files that are full lie beside it.
	AuditLog = "/var/log/kubernetes/audit/audit.log"
)

var (
	//go:embed kubeadm.yaml
	configTemplate string
	//go:embed audit.yaml
	auditPolicy string
)

// Config is what the control plane is made of.
type Config struct {
	Layout layout.Layout
	// Version is that of Kubernetes, with a leading v.
	Version string
	// EtcdVersion is the tag of etcd's image.
	EtcdVersion string
	// Loopback is the address on the host at which the API server is also reached.
	Loopback netip.Addr
}

// Files are the inputs that kubeadm reads, inside the first node.
func Files(c Config) machine.Files {
	files := machine.Files{configPath: machine.Text(c.render()), auditPolicyPath: machine.Text(auditPolicy)}
	for pod, milliCPU := range map[string]int{
		"etcd": 100, "kube-apiserver": 200, "kube-controller-manager": 25, "kube-scheduler": 10,
	} {
		files["/etc/kubernetes/patches/"+pod+"+strategic.yaml"] = machine.Text(requests(pod, milliCPU))
	}
	return files
}

// requests lowers the share of a CPU that kubeadm reserves for a pod: on a
// machine with two CPUs its defaults would leave little for others to reserve.
// Tenants that start must not get more of a busy one than what they wait for.
func requests(pod string, milliCPU int) string {
	return fmt.Sprintf("spec:\n  containers:\n    - name: %s\n      resources:\n        requests:\n          cpu: %dm\n", pod, milliCPU)
}

func (c Config) render() string {
	var out strings.Builder
	t := template.Must(template.New("").Option("missingkey=error").Parse(configTemplate))
	err := t.Execute(&out, map[string]any{
		"Name":          c.Layout.Name,
		"Node":          c.Layout.ControlPlane(),
		"Version":       c.Version,
		"EtcdVersion":   c.EtcdVersion,
		"Registry":      layout.RegistryHost,
		"ServiceSubnet": layout.ServiceSubnet,
		"Loopback":      c.Loopback,
		"APIPort":       layout.APIPort,
		"FirstNodePort": layout.FirstNodePort,
		"LastNodePort":  layout.LastNodePort,
		"AuditPolicy":   auditPolicyPath,
		"AuditLog":      AuditLog,
		"AuditFolder":   filepath.Dir(AuditLog),
	})
	if err != nil {
		panic(err) // the template is part of the program
	}
	return out.String()
}

// Generate has kubeadm write into the first node's root folder, which holds
// Files already. What is there and still valid is kept, but for the API server's
// certificate: the loopback address may be another one than last time.
func Generate(ctx context.Context, kubeadm, root string) error {
	for _, path := range []string{"/etc/kubernetes/pki/apiserver.crt", "/etc/kubernetes/pki/apiserver.key"} {
		if err := os.Remove(filepath.Join(root, path)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	for _, phase := range [][]string{
		{"certs", "all"}, {"kubeconfig", "all"}, {"etcd", "local"}, {"control-plane", "all"},
	} {
		args := append([]string{"init", "phase"}, phase...)
		if _, err := run(ctx, kubeadm, root, append(args, "--config", configPath)...); err != nil {
			return err
		}
	}
	return nil
}

// kubeconfig returns a kubeconfig with a client certificate for a user in the given groups.
func kubeconfig(ctx context.Context, kubeadm, root, user string, groups ...string) ([]byte, error) {
	args := []string{"kubeconfig", "user", "--config", configPath, "--client-name", user}
	for _, g := range groups {
		args = append(args, "--org", g)
	}
	return run(ctx, kubeadm, root, args...)
}

// run runs kubeadm with root as its root folder. kubeadm changes to it after it
// has started, so the folder needs no programs.
func run(ctx context.Context, kubeadm, root string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, kubeadm, append(args, "--rootfs", root)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("kubeadm %s: %w\n%s%s", strings.Join(args, " "), err, out, stderr.String())
	}
	return out, nil
}

// HostKubeconfig turns the administrator's kubeconfig into one for the host.
func HostKubeconfig(root string, p layout.Layout, loopback netip.Addr) ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(root, AdminKubeconfig))
	if err != nil {
		return nil, err
	}
	inside := fmt.Sprintf("https://%s", netip.AddrPortFrom(p.ControlPlane().Address, layout.APIPort))
	outside := fmt.Sprintf("https://%s", netip.AddrPortFrom(loopback, layout.APIPort))
	text := string(data)
	if strings.Count(text, inside) != 1 {
		return nil, fmt.Errorf("%s does not name %s once", AdminKubeconfig, inside)
	}
	return []byte(strings.Replace(text, inside, outside, 1)), nil
}

// NodeFiles are what a node needs to join: kubelet's kubeconfig, the one for
// Multus, and the certificate of the cluster's authority, by which kubelet
// knows the API server. root is the first node's.
func NodeFiles(ctx context.Context, kubeadm, root string, n layout.Node, multusPath, multusGroup string) (machine.Files, error) {
	kubelet, err := kubeconfig(ctx, kubeadm, root, "system:node:"+n.Name, "system:nodes")
	if err != nil {
		return nil, err
	}
	multus, err := kubeconfig(ctx, kubeadm, root, multusGroup+":"+n.Name, multusGroup)
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(filepath.Join(root, CACertificate))
	if err != nil {
		return nil, err
	}
	return machine.Files{
		KubeletKubeconfig: machine.Secret(kubelet),
		multusPath:        machine.Secret(multus),
		CACertificate:     {Content: ca},
	}, nil
}
