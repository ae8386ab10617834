// network-agent keeps the fabric of one management node, and answers the CNI
// plugin, which it installs.
package main

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/operator"
	"slipway.dev/operators/network/agent"
	"slipway.dev/operators/network/cni/socket"
	"slipway.dev/operators/network/fabric"
	"slipway.dev/operators/network/netlink"
)

// settings are the agent's own flags.
type settings struct {
	config        fabric.Config
	namespaces    string
	socket        string
	cniDirectory  string
	vxlanPort     uint
	allow, denied prefixes
	management    prefixes
	connections   uint
	perSecond     uint
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "network-agent:", err)
		os.Exit(1)
	}
}

func run() error {
	var options operator.Options
	options.Bind(flag.CommandLine)
	var s settings
	s.bind(flag.CommandLine)
	flag.Parse()
	options.LeaderElection = false
	if err := s.validate(); err != nil {
		return err
	}
	if s.cniDirectory != "" {
		if err := installPlugin(s.cniDirectory); err != nil {
			return fmt.Errorf("install CNI plugin: %w", err)
		}
	}
	host, err := netlink.NewHost(netlink.OwnNamespace, s.namespaces)
	if err != nil {
		return err
	}
	defer host.Close()
	scheme := runtime.NewScheme()
	if err := errors.Join(v1alpha1.AddToScheme(scheme), corev1.AddToScheme(scheme)); err != nil {
		return err
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the API server: %w", err)
	}
	manager, err := options.NewManager(config, "network-agent", scheme, cache.Options{})
	if err != nil {
		return err
	}
	ctx := ctrl.SetupSignalHandler()
	keeper := &agent.Agent{
		Client: manager.GetClient(), Live: manager.GetAPIReader(), Writer: apply.NewWriter(manager.GetClient(), agent.Owner),
		Host: host, Config: s.config, Socket: s.socket,
	}
	if err := keeper.SetupWithManager(ctx, manager); err != nil {
		return err
	}
	return manager.Start(ctx)
}

func (s *settings) bind(flags *flag.FlagSet) {
	flags.StringVar(&s.config.NodeName, "node-name", os.Getenv("NODE_NAME"), "name of this node; from NODE_NAME by default")
	vtep, _ := netip.ParseAddr(os.Getenv("NODE_ADDRESS"))
	flags.TextVar(&s.config.VTEP, "vtep", vtep, "this node's end of the tunnels, an IPv4 address of its own; from NODE_ADDRESS by default")
	flags.UintVar(&s.vxlanPort, "vxlan-port", 4790, "UDP port of the tunnels, the same on every node and used by no other overlay")
	flags.TextVar(&s.config.Uplink, "uplink-cidr", netip.MustParsePrefix("100.64.0.0/10"), "range of the links between gateways and the node, at least a /10; seen nowhere else")
	flags.Var(&s.allow, "egress-allow", "comma-separated ranges that tenants may connect to through the node")
	flags.Var(&s.denied, "egress-deny", "comma-separated ranges taken out of egress-allow again; management nodes always are")
	flags.Var(&s.management, "management-cidrs", "comma-separated ranges of the management cluster's pods and Services, which no tenant may connect to; needed with egress-allow")
	flags.UintVar(&s.connections, "tenant-connections", 4096, "how many connections each tenant may have through this node at a time")
	flags.UintVar(&s.perSecond, "tenant-connections-per-second", 200, "how many connections each tenant may open through this node in a second")
	flags.StringVar(&s.socket, "socket", socket.Path, "where the CNI plugin finds the agent")
	flags.StringVar(&s.namespaces, "namespace-directory", netlink.NamespaceDirectory, "where network namespaces have their names")
	flags.StringVar(&s.cniDirectory, "cni-directory", "/opt/cni/bin", "where the CNI plugin is installed; empty leaves that to others")
}

func (s *settings) validate() error {
	s.config.EgressAllow, s.config.EgressDeny, s.config.Port = s.allow, s.denied, uint16(s.vxlanPort)
	s.config.Management = s.management
	s.config.Connections = fabric.ConnectionLimit{Max: uint32(s.connections), PerSecond: uint32(s.perSecond)}
	switch {
	case s.config.NodeName == "":
		return errors.New("--node-name or NODE_NAME is missing")
	case !s.config.VTEP.Is4():
		return errors.New("--vtep or NODE_ADDRESS must be an IPv4 address")
	case s.vxlanPort == 0 || s.vxlanPort > 65535:
		return fmt.Errorf("--vxlan-port %d is not between 1 and 65535", s.vxlanPort)
	case !s.config.Uplink.Addr().Is4() || s.config.Uplink.Bits() > fabric.UplinkBits:
		return fmt.Errorf("--uplink-cidr %s is not an IPv4 range of at least a /%d", s.config.Uplink, fabric.UplinkBits)
	case len(s.allow) > 0 && len(s.management) == 0:
		return errors.New("--egress-allow needs --management-cidrs: list the ranges of the management cluster's pods and Services, so that tenants are kept out of them")
	case s.connections == 0 || s.connections > math.MaxUint32:
		return fmt.Errorf("--tenant-connections %d is not between 1 and %d", s.connections, uint32(math.MaxUint32))
	case s.perSecond == 0 || s.perSecond > math.MaxUint32:
		return fmt.Errorf("--tenant-connections-per-second %d is not between 1 and %d", s.perSecond, uint32(math.MaxUint32))
	}
	return nil
}

// prefixes is a flag that holds comma-separated IPv4 ranges.
type prefixes []netip.Prefix

func (p *prefixes) String() string { return fmt.Sprint([]netip.Prefix(*p)) }

func (p *prefixes) Set(text string) error {
	*p = nil
	for _, part := range strings.Split(text, ",") {
		if part == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(strings.TrimSpace(part))
		if err != nil {
			return err
		}
		if !prefix.Addr().Is4() {
			return fmt.Errorf("%s is not an IPv4 range", prefix)
		}
		*p = append(*p, prefix.Masked())
	}
	return nil
}

// installPlugin copies the plugin, which lies beside the agent, to where the
// container runtime looks. It is renamed into place: a call that comes at this
// moment runs the old one or the new one.
func installPlugin(directory string) error {
	const name = "slipway-cni"
	self, err := os.Executable()
	if err != nil {
		return err
	}
	content, err := os.ReadFile(filepath.Join(filepath.Dir(self), name))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	fresh := filepath.Join(directory, "."+name+".new")
	if err := os.WriteFile(fresh, content, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(fresh, 0o755); err != nil {
		return err
	}
	return os.Rename(fresh, filepath.Join(directory, name))
}
