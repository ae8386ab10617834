package bootstrap

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"slipway.dev/guest/contract"
)

// cniTemplate is rendered by containerd once the Node has a pod CIDR. Pods keep
// their addresses beyond the node: the tenant's gateway routes pod CIDRs, and
// masquerades what leaves the tenant.
func cniTemplate(in Input) string {
	bridge := map[string]any{
		"type":        "bridge",
		"bridge":      "cni0",
		"isGateway":   true,
		"hairpinMode": true,
		"ipam": map[string]any{
			"type":    "host-local",
			"ranges":  [][]map[string]any{{{"subnet": "{{.PodCIDR}}"}}},
			"routes":  []map[string]any{{"dst": "0.0.0.0/0"}},
			"dataDir": "/var/lib/cni/networks",
		},
	}
	if in.Port.MTU > 0 {
		bridge["mtu"] = in.Port.MTU
	}
	portmap := map[string]any{
		"type":         "portmap",
		"backend":      "nftables",
		"capabilities": map[string]bool{"portMappings": true},
	}
	return toJSON(map[string]any{
		"cniVersion": "1.0.0",
		"name":       "slipway",
		"plugins":    []map[string]any{bridge, portmap},
	})
}

// RegistriesSecret is what the tenant's API has of the files of registries, so
// that workers which are there get what has changed.
func RegistriesSecret(registries []Registry) *corev1ac.SecretApplyConfiguration {
	contents := map[string]string{}
	for _, registry := range registries {
		for _, file := range registryFiles(registry) {
			contents[strings.TrimPrefix(file.path, contract.RegistryHosts+"/")] = file.content
		}
	}
	return corev1ac.Secret(contract.RegistriesSecret, metav1.NamespaceSystem).
		WithType(corev1.SecretTypeOpaque).
		WithData(map[string][]byte{contract.RegistriesKey: []byte(toJSON(contents))})
}

// registryFiles make containerd ask the endpoint in place of the registry. The
// endpoint is the server and not one mirror among others, so that containerd
// never falls back to the registry itself.
// Format: https://github.com/containerd/containerd/blob/main/docs/hosts.md
func registryFiles(registry Registry) []file {
	directory := path.Join(contract.RegistryHosts, registry.Host)
	var files []file
	var toml strings.Builder
	fmt.Fprintf(&toml, "server = %s\ncapabilities = [\"pull\", \"resolve\"]\n", tomlString(registry.Endpoint))
	if belowAPI(registry.Endpoint) {
		toml.WriteString("override_path = true\n")
	}
	if len(registry.CA) > 0 {
		ca := path.Join(directory, "ca.crt")
		fmt.Fprintf(&toml, "ca = %s\n", tomlString(ca))
		files = append(files, file{ca, public, string(registry.CA)})
	}
	if registry.Username != "" {
		credentials := base64.StdEncoding.EncodeToString([]byte(registry.Username + ":" + registry.Password))
		fmt.Fprintf(&toml, "\n[header]\nAuthorization = %s\n", tomlString("Basic "+credentials))
	}
	return append(files, file{path.Join(directory, "hosts.toml"), private, toml.String()})
}

// belowAPI reports whether an endpoint says itself where the registry's API is,
// as that of a project of Harbor does. To all others containerd adds /v2.
func belowAPI(endpoint string) bool {
	parsed, err := url.Parse(endpoint)
	return err == nil && strings.HasPrefix(parsed.Path, "/v2/")
}

// tomlString is a TOML basic string.
func tomlString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
