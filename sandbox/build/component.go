package build

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/modfile"
)

// Component is one third-party program of the sandbox. Its folder sandbox/components/<Name> is a Go module of its own,
// so that it may need other versions of a library than our own code; what is pinned is pinned there and nowhere else.
type Component struct {
	Name string
	// Module is the required module that gives the component its version.
	Module string
	// Binaries maps the name of each program to its main package.
	Binaries map[string]string
	// CSources maps the name of each static C program to its one source file inside Module.
	CSources map[string]string
	CGO      bool
	Tags     []string
	// Version lists the packages whose gitVersion, gitMajor, gitMinor and gitTreeState the linker sets.
	Version []string
	// Patch makes the named changes to a private copy of Module before it is compiled; nil compiles Module as published.
	Patch *Patch
}

// Patch changes a module: a text in one of its files, or whole files. It fails the build when the module no longer has
// what it replaces.
type Patch struct {
	Name string
	// In File, Old becomes New.
	File string
	Old  string
	New  string
	// Times is how often Old must occur in File.
	Times int
	// Replace maps files of the module to those of the component's folder that take their place.
	Replace map[string]string
	// Wanted decides, on this machine, whether the patch is needed; nil means always.
	Wanted func() bool `json:"-"`
}

const kube = "k8s.io/kubernetes/"
const containerd = "github.com/containerd/containerd/v2/cmd/"
const cni = "github.com/containernetworking/plugins/plugins/"
const kubevirt = "kubevirt.io/kubevirt/cmd/"

// Components is the sandbox's bill of materials, in the order in which a cold machine should build it: what the
// others' tests and the management nodes need comes first.
func Components() []Component {
	return []Component{
		{
			Name:   "etcd",
			Module: "go.etcd.io/etcd/server/v3",
			Binaries: map[string]string{
				"etcd":    "go.etcd.io/etcd/server/v3",
				"etcdctl": "go.etcd.io/etcd/etcdctl/v3",
				"etcdutl": "go.etcd.io/etcd/etcdutl/v3",
			},
		},
		{
			Name:   "kubernetes",
			Module: "k8s.io/kubernetes",
			Binaries: map[string]string{
				"kube-apiserver":          kube + "cmd/kube-apiserver",
				"kube-controller-manager": kube + "cmd/kube-controller-manager",
				"kube-scheduler":          kube + "cmd/kube-scheduler",
				"kubelet":                 kube + "cmd/kubelet",
				"kube-proxy":              kube + "cmd/kube-proxy",
				"kubeadm":                 kube + "cmd/kubeadm",
				"kubectl":                 kube + "cmd/kubectl",
				"agnhost":                 kube + "test/images/agnhost",
			},
			CSources: map[string]string{"pause": "build/pause/linux/pause.c"},
			Version:  []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"},
		},
		{
			Name:   "containerd",
			Module: "github.com/containerd/containerd/v2",
			Binaries: map[string]string{
				"containerd":              containerd + "containerd",
				"containerd-shim-runc-v2": containerd + "containerd-shim-runc-v2",
				"ctr":                     containerd + "ctr",
			},
		},
		{
			Name:     "runc",
			Module:   "github.com/opencontainers/runc",
			Binaries: map[string]string{"runc": "github.com/opencontainers/runc"},
			CGO:      true,
			Tags:     []string{"seccomp"},
		},
		{
			Name:   "cni-plugins",
			Module: "github.com/containernetworking/plugins",
			Binaries: map[string]string{
				"bridge":     cni + "main/bridge",
				"loopback":   cni + "main/loopback",
				"ptp":        cni + "main/ptp",
				"host-local": cni + "ipam/host-local",
				"portmap":    cni + "meta/portmap",
			},
		},
		{
			Name:     "network-policies",
			Module:   "sigs.k8s.io/kube-network-policies",
			Binaries: map[string]string{"kube-network-policies": "sigs.k8s.io/kube-network-policies/cmd/kube-network-policies/standard"},
		},
		{
			Name:     "multus",
			Module:   "gopkg.in/k8snetworkplumbingwg/multus-cni.v4",
			Binaries: map[string]string{"multus": "gopkg.in/k8snetworkplumbingwg/multus-cni.v4/cmd/multus"},
		},
		{
			Name:     "registry",
			Module:   "github.com/distribution/distribution/v3",
			Binaries: map[string]string{"registry": "github.com/distribution/distribution/v3/cmd/registry"},
		},
		{
			Name:   "cert-manager",
			Module: "github.com/cert-manager/cert-manager",
			Binaries: map[string]string{
				"cert-manager-controller": "slipway.dev/sandbox/components/cert-manager/controller",
			},
		},
		{
			Name:     "coredns",
			Module:   "github.com/coredns/coredns",
			Binaries: map[string]string{"coredns": "github.com/coredns/coredns"},
		},
		{
			Name:     "local-storage",
			Module:   "sigs.k8s.io/sig-storage-lib-external-provisioner/v13",
			Binaries: map[string]string{"local-storage": "slipway.dev/sandbox/components/local-storage"},
		},
		{
			Name:     "helm",
			Module:   "helm.sh/helm/v4",
			Binaries: map[string]string{"helm": "helm.sh/helm/v4/cmd/helm"},
		},
		{
			Name:   "kubevirt",
			Module: "kubevirt.io/kubevirt",
			Binaries: map[string]string{
				"virt-api":              kubevirt + "virt-api",
				"virt-chroot":           kubevirt + "virt-chroot",
				"virt-controller":       kubevirt + "virt-controller",
				"virt-freezer":          kubevirt + "virt-freezer",
				"virt-handler":          kubevirt + "virt-handler",
				"virt-launcher":         kubevirt + "virt-launcher",
				"virt-launcher-monitor": kubevirt + "virt-launcher-monitor",
				"virt-operator":         kubevirt + "virt-operator",
				"virt-probe":            kubevirt + "virt-probe",
				"virt-tail":             kubevirt + "virt-tail",
				"virtctl":               kubevirt + "virtctl",
			},
			CSources: map[string]string{"container-disk": "cmd/container-disk-v2alpha/main.c"},
			CGO:      true,
			// Without them the operator, API and controller would link the C library, and need more than themselves
			// in their images.
			Tags:    []string{"netgo", "osusergo"},
			Version: []string{"kubevirt.io/client-go/version"},
			Patch:   bridgeForDummy,
		},
		{
			Name:     "external-dns",
			Module:   "sigs.k8s.io/external-dns",
			Binaries: map[string]string{"external-dns": "sigs.k8s.io/external-dns"},
			Patch:    oneProvider,
		},
		{
			Name:     "sample-apiserver",
			Module:   "k8s.io/sample-apiserver",
			Binaries: map[string]string{"sample-apiserver": "k8s.io/sample-apiserver"},
		},
	}
}

// Find returns the component with the given name.
func Find(name string) (Component, error) {
	for _, c := range Components() {
		if c.Name == name {
			return c, nil
		}
	}
	return Component{}, fmt.Errorf("no component %q", name)
}

// version reads, from the go.mod in folder, the version of the module that gives the component its own.
func (c Component) version(folder string) (string, error) {
	path := filepath.Join(folder, "go.mod")
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	file, err := modfile.ParseLax(path, data, nil)
	if err != nil {
		return "", err
	}
	for _, r := range file.Require {
		if r.Mod.Path == c.Module {
			return r.Mod.Version, nil
		}
	}
	return "", fmt.Errorf("%s does not require %s", path, c.Module)
}
