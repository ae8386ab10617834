package bootstrap

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"

	"sigs.k8s.io/yaml"
)

type writeFile struct {
	Path        string `json:"path"`
	Permissions string `json:"permissions"`
	Content     string `json:"content"`
}

// cloudConfig is the user-data. Slipway's own guest takes hostname and
// write_files from it and starts the services itself; runcmd is for stock
// images, which have them as systemd units.
func cloudConfig(in Input, files []file) ([]byte, error) {
	document := struct {
		Hostname   string      `json:"hostname"`
		WriteFiles []writeFile `json:"write_files"`
		RunCmd     [][]string  `json:"runcmd"`
	}{
		Hostname: in.Name,
		RunCmd:   [][]string{{"systemctl", "enable", "--now", "containerd", "kubelet", "kube-proxy"}},
	}
	for _, f := range files {
		document.WriteFiles = append(document.WriteFiles, writeFile{Path: f.path, Permissions: f.mode, Content: f.content})
	}
	encoded, err := toYAML(document)
	if err != nil {
		return nil, fmt.Errorf("encode user-data: %w", err)
	}
	return append([]byte("#cloud-config\n"), encoded...), nil
}

// networkConfig is network configuration version 2: the NIC is found by its
// MAC address, and everything else is static, so that nothing waits for DHCP.
func networkConfig(in Input, address netip.Addr) ([]byte, error) {
	prefix := netip.PrefixFrom(address, int(in.Port.PrefixLength))
	if !prefix.IsValid() {
		return nil, fmt.Errorf("prefix length %d of NetworkPort", in.Port.PrefixLength)
	}
	ethernet := map[string]any{
		"match":     map[string]any{"macaddress": in.Port.MACAddress},
		"addresses": []string{prefix.String()},
		"dhcp4":     false,
		"dhcp6":     false,
	}
	if in.Port.MTU > 0 {
		ethernet["mtu"] = in.Port.MTU
	}
	if in.Port.Gateway != "" {
		ethernet["routes"] = []map[string]any{{"to": "0.0.0.0/0", "via": in.Port.Gateway}}
	}
	if len(in.Nameservers) > 0 {
		ethernet["nameservers"] = map[string]any{"addresses": in.Nameservers}
	}
	encoded, err := toYAML(map[string]any{"version": 2, "ethernets": map[string]any{"fabric": ethernet}})
	if err != nil {
		return nil, fmt.Errorf("encode network-config: %w", err)
	}
	return []byte(encoded), nil
}

func toYAML(document any) (string, error) {
	encoded, err := yaml.Marshal(document)
	return string(encoded), err
}

// toJSON is for the CNI template, which containerd's template engine must find as it is.
func toJSON(document any) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(document); err != nil {
		panic(err) // maps of strings and numbers always encode
	}
	return b.String()
}
