package build

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// searchPath lets manifests name a program without its folder.
const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Image is a container image in the cache.
type Image struct {
	// Name is the repository without a registry, such as kube-apiserver or slipway/dns-operator.
	Name string
	Tag  string
	// Path is the folder with the image as an OCI layout.
	Path string
}

// Reference is the image's full name in the given registry (host[:port]).
func (i Image) Reference(registry string) string {
	return registry + "/" + i.Name + ":" + i.Tag
}

// Digest is that of the image's manifest, by which a registry has it once it is pushed.
func (i Image) Digest() (string, error) {
	content, err := openLayout(i.Path)
	if err != nil {
		return "", fmt.Errorf("digest of %s:%s: %w", i.Name, i.Tag, err)
	}
	digest, err := content.Digest()
	return digest.String(), err
}

// Spec says what an image consists of.
type Spec struct {
	Name string
	Tag  string
	// Base is the Debian root file system below Files; nil means that Files is everything.
	Base       *Rootfs
	Files      []File
	Entrypoint []string
	// User is a numeric user[:group]; empty means root.
	User string
}

// Assemble makes the image described by spec. Sources must lie in folders named by their content, as Binaries returns
// them: they enter the image's hash by path.
func (b *Builder) Assemble(spec Spec) (Image, error) {
	start := time.Now()
	hash, err := spec.hash()
	if err != nil {
		return Image{}, err
	}
	image := Image{Name: spec.Name, Tag: spec.Tag}
	image.Path = filepath.Join(b.Cache, "images", strings.ReplaceAll(spec.Name, "/", "_")+"-"+hash)
	fresh, err := once(image.Path, func(tmp string) error { return b.write(spec, tmp) })
	if err != nil {
		return Image{}, fmt.Errorf("image %s: %w", spec.Name, err)
	}
	b.report("image", image.Name+":"+image.Tag, fresh, start, image.Path)
	return image, nil
}

func (s Spec) hash() (string, error) {
	sum := sha256.New()
	if err := json.NewEncoder(sum).Encode(s); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil))[:hashLength], nil
}

// write makes the image in the OCI layout dir.
func (b *Builder) write(spec Spec, dir string) error {
	base, files := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), spec.Files
	if spec.Base == nil {
		for _, file := range spec.Files {
			if file.Source != "" && file.Mode == 0 {
				if err := static(file.Source); err != nil {
					return err
				}
			}
		}
		files = append(files, baseFiles...)
	} else {
		var err error
		if base, err = openLayout(spec.Base.path); err != nil {
			return err
		}
	}
	packed := filepath.Join(dir, "layer")
	layer, err := writeLayer(packed, files)
	if err != nil {
		return err
	}
	image, err := mutate.AppendLayers(base, layer)
	if err != nil {
		return err
	}
	image, err = mutate.ConfigFile(image, configured(image, spec))
	if err != nil {
		return err
	}
	if err := writeLayout(dir, image); err != nil {
		return err
	}
	return os.Remove(packed)
}

// configured returns the configuration of image, with what spec says.
func configured(image v1.Image, spec Spec) *v1.ConfigFile {
	config, err := image.ConfigFile()
	if err != nil {
		config = &v1.ConfigFile{}
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config.Entrypoint = spec.Entrypoint
	config.Config.User = spec.User
	config.Config.Env = []string{searchPath}
	config.Config.WorkingDir = "/"
	return config
}

func writeLayout(dir string, image v1.Image) error {
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	return path.AppendImage(image)
}

// openLayout returns the only image of a layout.
func openLayout(dir string) (v1.Image, error) {
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	if len(manifest.Manifests) != 1 {
		return nil, fmt.Errorf("%s holds %d images", dir, len(manifest.Manifests))
	}
	return index.Image(manifest.Manifests[0].Digest)
}

// Archive writes the image as an OCI archive that names it as in the given registry, as `ctr images import` reads it.
func (i Image) Archive(w io.Writer, registry string) error {
	index, err := layout.ImageIndexFromPath(i.Path)
	if err != nil {
		return err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	manifest = manifest.DeepCopy()
	manifest.Manifests[0].Annotations = map[string]string{
		"io.containerd.image.name":          i.Reference(registry),
		"org.opencontainers.image.ref.name": i.Tag,
	}
	data, err := json.Marshal(manifest)
	if err != nil {
		return err
	}
	out := tar.NewWriter(w)
	if err := (File{Path: "index.json", Data: data, Mode: 0o644}).write(out); err != nil {
		return err
	}
	err = filepath.WalkDir(i.Path, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || entry.Name() == "index.json" {
			return err
		}
		name, err := filepath.Rel(i.Path, path)
		if err != nil {
			return err
		}
		return File{Path: filepath.ToSlash(name), Source: path, Mode: 0o644}.write(out)
	})
	if err != nil {
		return err
	}
	return out.Close()
}
