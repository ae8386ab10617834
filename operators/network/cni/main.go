// slipway-cni is the CNI plugin that gives a pod a NIC on a tenant's network. It
// hands every call to the node agent.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"

	"slipway.dev/operators/network/cni/socket"
)

// config is the plugin's part of the network configuration; name is that of
// the TenantNetwork.
type config struct {
	types.NetConf
	// Socket of the agent, where it is not the usual one.
	Socket        string `json:"socket,omitempty"`
	RuntimeConfig struct {
		MAC string `json:"mac,omitempty"`
	} `json:"runtimeConfig,omitempty"`
}

func main() {
	skel.PluginMainFuncs(skel.CNIFuncs{Add: add, Check: check, Del: del, Status: status}, version.All, "slipway-cni: NICs on tenants' networks")
}

func add(args *skel.CmdArgs) error {
	conf, request, err := parse(socket.Add, args)
	if err != nil {
		return err
	}
	reply, err := socket.Call(conf.Socket, request)
	if errors.Is(err, socket.ErrNoAgent) {
		return types.NewError(types.ErrTryAgainLater, err.Error(), "")
	}
	if err != nil {
		return err
	}
	result, err := convert(args, reply)
	if err != nil {
		return err
	}
	return types.PrintResult(result, conf.CNIVersion)
}

func check(args *skel.CmdArgs) error {
	conf, request, err := parse(socket.Check, args)
	if err != nil {
		return err
	}
	_, err = socket.Call(conf.Socket, request)
	return err
}

// del succeeds without the agent: it removes what has no pod when it is back.
func del(args *skel.CmdArgs) error {
	conf, request, err := parse(socket.Delete, args)
	if err != nil {
		return err
	}
	_, err = socket.Call(conf.Socket, request)
	if errors.Is(err, socket.ErrNoAgent) {
		return nil
	}
	return err
}

// notAvailable is the specification's code for a plugin that cannot serve ADD.
const notAvailable = 50

func status(args *skel.CmdArgs) error {
	conf, request, err := parse(socket.Status, args)
	if err != nil {
		return err
	}
	if _, err := socket.Call(conf.Socket, request); err != nil {
		return types.NewError(notAvailable, err.Error(), "")
	}
	return nil
}

// arguments are those that Kubernetes runtimes pass in CNI_ARGS.
type arguments struct {
	types.CommonArgs
	K8S_POD_NAMESPACE types.UnmarshallableString //nolint:revive // the name is the key
	K8S_POD_NAME      types.UnmarshallableString //nolint:revive // the name is the key
	MAC               types.UnmarshallableString
}

func parse(command string, args *skel.CmdArgs) (config, socket.Request, error) {
	conf := config{Socket: socket.Path}
	if err := json.Unmarshal(args.StdinData, &conf); err != nil {
		return config{}, socket.Request{}, fmt.Errorf("read network configuration: %w", err)
	}
	var k8s arguments
	k8s.IgnoreUnknown = true
	if err := types.LoadArgs(args.Args, &k8s); err != nil {
		return config{}, socket.Request{}, fmt.Errorf("read CNI_ARGS: %w", err)
	}
	mac := conf.RuntimeConfig.MAC
	if mac == "" {
		mac = string(k8s.MAC)
	}
	return conf, socket.Request{
		Command: command, ContainerID: args.ContainerID, Namespace: args.Netns, Interface: args.IfName,
		PodNamespace: string(k8s.K8S_POD_NAMESPACE), PodName: string(k8s.K8S_POD_NAME),
		Network: conf.Name, MAC: strings.ToLower(mac),
	}, nil
}

func convert(args *skel.CmdArgs, reply socket.Reply) (*current.Result, error) {
	result := &current.Result{
		CNIVersion: current.ImplementedSpecVersion,
		Interfaces: []*current.Interface{{Name: args.IfName, Mac: reply.MAC, Mtu: reply.MTU, Sandbox: args.Netns}},
	}
	if reply.Address == "" {
		return result, nil
	}
	ip, network, err := net.ParseCIDR(reply.Address)
	if err != nil {
		return nil, fmt.Errorf("address from agent: %w", err)
	}
	network.IP = ip
	result.IPs = []*current.IPConfig{{Interface: current.Int(0), Address: *network}}
	for _, text := range reply.Routes {
		_, destination, err := net.ParseCIDR(text)
		if err != nil {
			return nil, fmt.Errorf("route from agent: %w", err)
		}
		result.Routes = append(result.Routes, &types.Route{Dst: *destination, GW: net.ParseIP(reply.Gateway)})
	}
	return result, nil
}
