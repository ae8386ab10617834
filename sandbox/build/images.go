package build

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
)

// thirdParty describes the image of a third-party program. Its tag is the component's version.
type thirdParty struct {
	name      string
	component string
	// programs are put into folder; the first is the entrypoint.
	programs []string
	folder   string
	user     string
	base     *Rootfs
	// extra are files of the component's module.
	extra []moduleFile
}

type moduleFile struct {
	path, source string
	mode         int64
}

var thirdPartyImages = []thirdParty{
	{name: "pause", component: "kubernetes", programs: []string{"pause"}, folder: "/", user: "65535:65535"},
	{name: "kube-apiserver", component: "kubernetes", programs: []string{"kube-apiserver"}},
	{name: "kube-controller-manager", component: "kubernetes", programs: []string{"kube-controller-manager"}},
	{name: "kube-scheduler", component: "kubernetes", programs: []string{"kube-scheduler"}},
	{name: "kube-proxy", component: "kubernetes", programs: []string{"kube-proxy"}, base: &nftTree},
	{name: "agnhost", component: "kubernetes", programs: []string{"agnhost"}, folder: "/"},
	{name: "etcd", component: "etcd", programs: []string{"etcd", "etcdctl", "etcdutl"}},
	{name: "coredns", component: "coredns", programs: []string{"coredns"}, folder: "/"},
	{name: "registry", component: "registry", programs: []string{"registry"}},
	{name: "cert-manager-controller", component: "cert-manager", programs: []string{"cert-manager-controller"}},
	{name: "external-dns", component: "external-dns", programs: []string{"external-dns"}},
	{name: "local-storage", component: "local-storage", programs: []string{"local-storage"}},
	{name: "sample-apiserver", component: "sample-apiserver", programs: []string{"sample-apiserver"}},
	{name: "virt-operator", component: "kubevirt", programs: []string{"virt-operator"}, folder: "/usr/bin", user: "1001"},
	{name: "virt-api", component: "kubevirt", programs: []string{"virt-api"}, folder: "/usr/bin", user: "1001"},
	{name: "virt-controller", component: "kubevirt", programs: []string{"virt-controller"}, folder: "/usr/bin", user: "1001"},
	{name: "virt-handler", component: "kubevirt", programs: []string{"virt-handler", "virt-chroot"}, folder: "/usr/bin", base: &virtualMachineTree},
	{
		name: "virt-launcher", component: "kubevirt", folder: "/usr/bin", base: &virtualMachineTree,
		programs: []string{"virt-launcher", "virt-launcher-monitor", "virt-freezer", "virt-probe", "virt-tail", "container-disk"},
		extra: []moduleFile{
			{"/usr/bin/node-labeller.sh", "cmd/virt-launcher/node-labeller/node-labeller.sh", 0o755},
			{"/etc/libvirt/qemu.conf", "cmd/virt-launcher/qemu.conf", 0o644},
			{"/etc/libvirt/virtqemud.conf", "cmd/virt-launcher/virtqemud.conf", 0o644},
			{"/etc/libvirt/hooks/qemu", "cmd/virt-launcher/qemu", 0o755},
		},
	},
}

// capabilities are the file capabilities that a program has in its image.
var capabilities = map[string][]byte{"virt-launcher-monitor": netBindService}

// ImageNames returns the names of the third-party images made of the given components; of all when none is given.
func ImageNames(components ...string) []string {
	var names []string
	for _, image := range thirdPartyImages {
		if len(components) == 0 || slices.Contains(components, image.component) {
			names = append(names, image.name)
		}
	}
	return names
}

// Image returns the named third-party image, with its component built when it is not there yet.
func (b *Builder) Image(ctx context.Context, name string) (Image, error) {
	i := slices.IndexFunc(thirdPartyImages, func(t thirdParty) bool { return t.name == name })
	if i < 0 {
		return Image{}, fmt.Errorf("no image %q", name)
	}
	spec, err := b.spec(ctx, thirdPartyImages[i])
	if err != nil {
		return Image{}, err
	}
	return b.Assemble(spec)
}

// Images returns the named third-party images, in that order.
func (b *Builder) Images(ctx context.Context, names ...string) ([]Image, error) {
	var images []Image
	for _, name := range names {
		image, err := b.Image(ctx, name)
		if err != nil {
			return nil, err
		}
		images = append(images, image)
	}
	return images, nil
}

func (b *Builder) spec(ctx context.Context, t thirdParty) (Spec, error) {
	binaries, err := b.Binaries(ctx, t.component)
	if err != nil {
		return Spec{}, err
	}
	version, err := b.Version(t.component)
	if err != nil {
		return Spec{}, err
	}
	folder := t.folder
	if folder == "" {
		folder = "/usr/local/bin"
	}
	spec := Spec{Name: t.name, Tag: version, User: t.user, Entrypoint: []string{filepath.Join(folder, t.programs[0])}}
	for _, program := range t.programs {
		spec.Files = append(spec.Files, File{
			Path:         filepath.Join(folder, program),
			Source:       filepath.Join(binaries, program),
			Capabilities: capabilities[program],
		})
	}
	if len(t.extra) > 0 {
		module, err := b.ModuleDir(ctx, t.component)
		if err != nil {
			return Spec{}, err
		}
		for _, file := range t.extra {
			spec.Files = append(spec.Files, File{Path: file.path, Source: filepath.Join(module, file.source), Mode: file.mode})
		}
	}
	if t.base != nil {
		if spec.Base, err = b.debian(ctx, *t.base); err != nil {
			return Spec{}, err
		}
	}
	return spec, nil
}
