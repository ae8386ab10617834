package deploy

import (
	"fmt"

	"slipway.dev/guest/contract"
	"slipway.dev/sandbox/build"
	"slipway.dev/sandbox/layout"
	"slipway.dev/sandbox/state"
)

// joinTimeout is four times what an emulated guest takes on a busy machine of two cores.
const joinTimeout = "2m"

// values are those of the chart for a sandbox, whose guests may be emulated.
func values(recorded *state.State, images []build.Image, emulated bool) (map[string]any, error) {
	tags, digests, err := identify(images)
	if err != nil {
		return nil, err
	}
	hub := layout.HubAddress.String()
	image := func(name string) map[string]any {
		return map[string]any{"image": map[string]any{"tag": tags["slipway/"+name]}}
	}
	merge := func(base map[string]any, more map[string]any) map[string]any {
		for key, value := range more {
			base[key] = value
		}
		return base
	}
	// A guest that boots must not take the processor from the control plane that it waits for.
	guest := map[string]any{"nameservers": []string{hub}, "cpuRequestPerCore": "10m"}
	if emulated {
		guest["kernelArgs"] = contract.EmulationKernelArgs
	}
	return map[string]any{
		"global": map[string]any{
			"image": map[string]any{"registry": layout.RegistryHost, "digests": digests},
			// NodePorts of the sandbox are reached at an address on the host's loopback.
			"exposure": map[string]any{"host": recorded.Loopback.String()},
			"dns":      map[string]any{"baseDomain": layout.Zone},
			"limits": map[string]any{"managementRanges": map[string]any{
				"pods":     []string{layout.PodSubnet.String()},
				"services": []string{layout.ServiceSubnet.String()},
				"nodes":    []string{layout.NodeSubnet.String()},
			}},
		},
		"cluster-operator": image("cluster-operator"),
		"cert-operator":    image("cert-operator"),
		"network-operator": merge(image("network-operator"), map[string]any{
			"agent": image("network-agent"),
			// Tenants reach the hub, which has the registry and DNS, and nothing else.
			"egress": map[string]any{"allow": []string{hub + "/32"}},
		}),
		"kvm-operator": merge(image("kvm-operator"), map[string]any{"guest": guest, "joinTimeout": joinTimeout}),
		"dns-operator": merge(image("dns-operator"), map[string]any{
			"authoritativeServer": fmt.Sprintf("%s:%d", hub, layout.DNSPort),
		}),
	}, nil
}

// identify gives the tags of images by name, and their digests by name and tag as the chart wants them.
func identify(images []build.Image) (tags, digests map[string]string, err error) {
	tags, digests = map[string]string{}, map[string]string{}
	for _, image := range images {
		tags[image.Name] = image.Tag
		if digests[image.Name+":"+image.Tag], err = image.Digest(); err != nil {
			return nil, nil, err
		}
	}
	return tags, digests, nil
}
