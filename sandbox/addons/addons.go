// Package addons installs what a management cluster needs besides Kubernetes
// itself. Everything is applied at once; each add-on waits only for itself.
package addons

import (
	"context"
	"embed"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"slipway.dev/sandbox/build"
	"slipway.dev/sandbox/credentials"
	"slipway.dev/sandbox/layout"
	"slipway.dev/sandbox/node"
)

// TSIGSecretName is the Secret, in external-dns's namespace, with the key that signs DNS updates.
const TSIGSecretName = "rfc2136"

//go:embed manifests
var manifests embed.FS

// Addon is one add-on.
type Addon struct {
	Name string
	// Optional add-ons can be left out.
	Optional bool
	// manifests are files of this package.
	manifests []string
	// published are files of the component's module, below its folder.
	component string
	published []string
	// images are those of build.ImageNames that its pods use, each with its component.
	images map[string]string
	// ready lists what has to work before the add-on counts as installed.
	ready []workload
}

// workload names one object to wait for.
type workload struct{ kind, namespace, name string }

// All lists the add-ons.
func All() []Addon {
	return []Addon{
		{
			Name:      "services",
			manifests: []string{"administrators.yaml", "registry.yaml", "kube-proxy.yaml", "multus.yaml"},
			images:    map[string]string{"kube-proxy": "kubernetes"},
			ready:     []workload{{"DaemonSet", "kube-system", "kube-proxy"}},
		},
		{
			Name:      "cluster DNS",
			manifests: []string{"coredns.yaml"},
			images:    map[string]string{"coredns": "coredns"},
			ready:     []workload{{"Deployment", "kube-system", "coredns"}},
		},
		{
			Name:      "local-storage",
			manifests: []string{"local-storage.yaml"},
			images:    map[string]string{"local-storage": "local-storage"},
			ready:     []workload{{"DaemonSet", "kube-system", "local-storage"}},
		},
		{
			Name:      "cert-manager",
			Optional:  true,
			manifests: []string{"cert-manager.yaml"},
			component: "cert-manager",
			published: []string{
				"deploy/crds/acme.cert-manager.io_challenges.yaml",
				"deploy/crds/acme.cert-manager.io_orders.yaml",
				"deploy/crds/cert-manager.io_certificaterequests.yaml",
				"deploy/crds/cert-manager.io_certificates.yaml",
				"deploy/crds/cert-manager.io_clusterissuers.yaml",
				"deploy/crds/cert-manager.io_issuers.yaml",
			},
			images: map[string]string{"cert-manager-controller": "cert-manager"},
			ready:  []workload{{"Deployment", "cert-manager", "cert-manager"}},
		},
		{
			Name:      "external-dns",
			Optional:  true,
			manifests: []string{"external-dns.yaml"},
			component: "external-dns",
			published: []string{"config/crd/standard/dnsendpoints.externaldns.k8s.io.yaml"},
			images:    map[string]string{"external-dns": "external-dns"},
			ready:     []workload{{"Deployment", "external-dns", "external-dns"}},
		},
		{
			Name:      "kubevirt",
			Optional:  true,
			manifests: []string{"kubevirt.yaml"},
			component: "kubevirt",
			published: []string{
				"manifests/generated/kv-resource.yaml",
				"manifests/generated/rbac-operator.authorization.k8s.yaml.in",
			},
			images: map[string]string{
				"virt-operator": "kubevirt", "virt-api": "kubevirt", "virt-controller": "kubevirt",
				"virt-handler": "kubevirt", "virt-launcher": "kubevirt",
			},
			ready: []workload{{"KubeVirt", "kubevirt", "kubevirt"}},
		},
	}
}

// Selected returns the add-ons that cannot be left out and the named ones; all when no name is given.
func Selected(names []string) []Addon {
	return slices.DeleteFunc(All(), func(a Addon) bool {
		return a.Optional && len(names) > 0 && !slices.Contains(names, a.Name)
	})
}

// Check tells whether every name is one of an add-on that can be left out.
func Check(names []string) error {
	var optional []string
	for _, a := range All() {
		if a.Optional {
			optional = append(optional, a.Name)
		}
	}
	for _, name := range names {
		if !slices.Contains(optional, name) {
			return fmt.Errorf("no add-on %q: choose from %s", name, strings.Join(optional, ", "))
		}
	}
	return nil
}

// Images returns the names of the images that the selected add-ons use.
func Images(names []string) []string {
	var images []string
	for _, a := range Selected(names) {
		for image := range a.images {
			images = append(images, image)
		}
	}
	slices.Sort(images)
	return images
}

// Values fill in the manifests.
type Values struct {
	Layout      layout.Layout
	Credentials credentials.Set
}

// data is what a template sees.
type data struct {
	Values
	PodSubnet, HubAddress, ClusterDNS fmt.Stringer
	APIServer                         netip.AddrPort
	RegistryHost, Zone, TSIGKeyName   string
	TSIGSecretName, MultusGroup       string
	DNSPort                           int
	Emulation                         bool
	Name, Namespace                   string
	versions                          map[string]string
}

// KubeVirtComponents are the kinds of what KubeVirt's operator installs.
func (data) KubeVirtComponents() map[string]string {
	return map[string]string{"virt-api": "Deployment", "virt-controller": "Deployment", "virt-handler": "DaemonSet"}
}

// Registry is what those who pull, tenants among them, have to know of the registry.
func (d data) Registry() map[string]string {
	return map[string]string{
		"host":     layout.RegistryHost,
		"endpoint": fmt.Sprintf("https://%s:%d", layout.HubAddress, layout.PullPort),
		"username": credentials.PullUsername,
		"password": d.Credentials.PullPassword(),
		"ca.crt":   string(d.Credentials.CACertificate),
	}
}

// RegistryPush is who may change what is in the registry.
func (d data) RegistryPush() map[string]string {
	return map[string]string{"username": credentials.Username, "password": d.Credentials.Password}
}

// Image is the reference of one of the add-on's images.
func (d data) Image(name string) (string, error) {
	version, ok := d.versions[name]
	if !ok {
		return "", fmt.Errorf("image %s is not listed with the add-on", name)
	}
	return layout.Image(name, version), nil
}

func (a Addon) data(b *build.Builder, v Values) (data, error) {
	emulation, err := Emulated()
	if err != nil {
		return data{}, err
	}
	versions := map[string]string{}
	for image, component := range a.images {
		if versions[image], err = b.Version(component); err != nil {
			return data{}, err
		}
	}
	return data{
		Values:         v,
		Name:           v.Layout.Name,
		Namespace:      a.Name,
		PodSubnet:      layout.PodSubnet,
		HubAddress:     layout.HubAddress,
		ClusterDNS:     layout.ClusterDNS,
		APIServer:      netip.AddrPortFrom(v.Layout.ControlPlane().Address, layout.APIPort),
		RegistryHost:   layout.RegistryHost,
		Zone:           layout.Zone,
		DNSPort:        layout.DNSPort,
		TSIGKeyName:    layout.TSIGKeyName,
		TSIGSecretName: TSIGSecretName,
		MultusGroup:    node.MultusGroup,
		Emulation:      emulation,
		versions:       versions,
	}, nil
}

// render returns the add-on's manifests, filled in.
func (a Addon) render(ctx context.Context, b *build.Builder, v Values) ([]string, error) {
	d, err := a.data(b, v)
	if err != nil {
		return nil, err
	}
	texts, err := a.texts(ctx, b)
	if err != nil {
		return nil, err
	}
	var rendered []string
	for name, text := range texts {
		t, err := template.New(name).Option("missingkey=error").Parse(text)
		if err != nil {
			return nil, err
		}
		var out strings.Builder
		if err := t.Execute(&out, d); err != nil {
			return nil, err
		}
		rendered = append(rendered, out.String())
	}
	return rendered, nil
}

// texts reads the add-on's manifests: ours, and those that its authors
// published with the source that its programs are built from.
func (a Addon) texts(ctx context.Context, b *build.Builder) (map[string]string, error) {
	texts := map[string]string{}
	for _, name := range a.manifests {
		text, err := manifests.ReadFile("manifests/" + name)
		if err != nil {
			return nil, err
		}
		texts[name] = string(text)
	}
	if len(a.published) == 0 {
		return texts, nil
	}
	folder, err := b.ModuleDir(ctx, a.component)
	if err != nil {
		return nil, err
	}
	for _, name := range a.published {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return nil, err
		}
		texts[name] = string(text)
	}
	return texts, nil
}

// Emulated tells whether guests on this machine have to be emulated. That /dev/kvm can be
// opened proves nothing: only the processor's own flags tell whether it can
// run a guest.
func Emulated() (bool, error) {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(string(info)) {
		key, flags, _ := strings.Cut(line, ":")
		if strings.TrimSpace(key) != "flags" {
			continue
		}
		names := strings.Fields(flags)
		return !slices.Contains(names, "vmx") && !slices.Contains(names, "svm"), nil
	}
	return true, nil
}
