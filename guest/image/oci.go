package image

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"slipway.dev/guest/contract"
)

// file is one file of a layer: what is at source on this machine gets the absolute path target.
type file struct {
	source, target string
	mode           int64
}

// Image is the container image of a built guest, for kernel boot and as a container disk: one layer for /boot, one for
// the root disk, so that a node shares the part that did not change.
func (r Result) Image() (v1.Image, error) {
	image, err := assemble(contract.FileOwnerID,
		[]file{{r.Kernel, contract.KernelPath, 0o444}, {r.Initrd, contract.InitrdPath, 0o444}},
		[]file{{r.Root, contract.RootPath, 0o444}},
	)
	if err != nil {
		return nil, fmt.Errorf("guest image: %w", err)
	}
	return image, nil
}

// FromBinary is a container image with one static program as its entry point.
func FromBinary(program string) (v1.Image, error) {
	entrypoint := "/" + path.Base(program)
	image, err := assemble(0, []file{{program, entrypoint, 0o755}})
	if err != nil {
		return nil, err
	}
	return mutate.Config(image, v1.Config{Entrypoint: []string{entrypoint}})
}

// assemble makes an image for Linux on amd64 of layers, whose files belong to owner.
func assemble(owner int, layers ...[]file) (v1.Image, error) {
	image, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{Architecture: "amd64", OS: "linux"})
	if err != nil {
		return nil, err
	}
	for _, files := range layers {
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return archive(owner, files), nil })
		if err != nil {
			return nil, err
		}
		if image, err = mutate.AppendLayers(image, layer); err != nil {
			return nil, err
		}
	}
	return image, nil
}

// archive streams a layer; the same files always give the same bytes.
func archive(owner int, files []file) io.ReadCloser {
	reader, writer := io.Pipe()
	go func() {
		w := tar.NewWriter(writer)
		made := map[string]bool{}
		var err error
		for _, f := range files {
			if err = addFile(w, owner, f, made); err != nil {
				break
			}
		}
		writer.CloseWithError(errors.Join(err, w.Close()))
	}()
	return reader
}

func addFile(w *tar.Writer, owner int, f file, made map[string]bool) error {
	name := strings.TrimPrefix(f.target, "/")
	if dir := path.Dir(name); dir != "." && !made[dir] {
		made[dir] = true
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755, Uid: owner, Gid: owner, ModTime: time.Unix(0, 0)}); err != nil {
			return err
		}
	}
	in, err := os.Open(f.source)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: name, Size: info.Size(), Mode: f.mode, Uid: owner, Gid: owner, ModTime: time.Unix(0, 0),
	}); err != nil {
		return err
	}
	_, err = io.Copy(w, in)
	return err
}
