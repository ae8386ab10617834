package kernel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Sysctl is one kernel setting, named with dots.
type Sysctl struct{ Name, Value string }

// NodeSysctls are the settings that kubelet, kube-proxy and a bridge CNI expect of their host. The kernel.* and vm.*
// values are those which the kubelet insists on under protectKernelDefaults.
var NodeSysctls = []Sysctl{
	{"net.ipv4.ip_forward", "1"},
	{"net.ipv6.conf.all.forwarding", "1"},
	{"net.bridge.bridge-nf-call-iptables", "1"},
	{"net.bridge.bridge-nf-call-ip6tables", "1"},
	{"vm.overcommit_memory", "1"},
	{"vm.panic_on_oom", "0"},
	{"kernel.panic", "10"},
	{"kernel.panic_on_oops", "1"},
	{"kernel.keys.root_maxkeys", "1000000"},
	{"kernel.keys.root_maxbytes", "25000000"},
	{"fs.inotify.max_user_instances", "8192"},
	{"fs.inotify.max_user_watches", "524288"},
	{"net.core.somaxconn", "32768"},
	// kube-proxy's defaults; it is told to leave them alone.
	{"net.netfilter.nf_conntrack_max", "131072"},
	{"net.netfilter.nf_conntrack_tcp_timeout_established", "86400"},
	{"net.netfilter.nf_conntrack_tcp_timeout_close_wait", "3600"},
}

// SetSysctls writes every setting below root, which is /proc/sys outside tests, and reports all that failed.
func SetSysctls(root string, settings []Sysctl) error {
	var failed []error
	for _, s := range settings {
		path := filepath.Join(root, filepath.FromSlash(strings.ReplaceAll(s.Name, ".", "/")))
		if err := os.WriteFile(path, []byte(s.Value), 0o644); err != nil {
			failed = append(failed, fmt.Errorf("sysctl %s: %w", s.Name, err))
		}
	}
	return errors.Join(failed...)
}
