package build

import (
	"archive/tar"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/compression"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"
)

// File is one file of an image.
type File struct {
	// Path is where the file is in the image, absolute.
	Path string
	// Source is the file on this machine with the content; empty takes Data.
	Source string
	Data   []byte
	// Mode is the permissions; 0 means 0755.
	Mode int64
	// Capabilities, when set, is the value of the file's security.capability attribute.
	Capabilities []byte
}

// netBindService is the capability set cap_net_bind_service=ep in the kernel's format, revision 2
// (linux/capability.h, struct vfs_cap_data): magic and effective bit, then permitted and inheritable sets.
var netBindService = []byte{0x01, 0, 0, 0x02, 0, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

// baseFiles is what programs expect of a system, in every image that has no base.
var baseFiles = []File{
	{Path: "/etc/passwd", Mode: 0o644, Data: []byte("root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n")},
	{Path: "/etc/group", Mode: 0o644, Data: []byte("root:x:0:\nnonroot:x:65532:\nnobody:x:65534:\n")},
}

// writeLayer writes files as one compressed layer to path. The same files give the same bytes.
func writeLayer(path string, files []File) (v1.Layer, error) {
	out, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	compressor, err := zstd.NewWriter(out, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return nil, err
	}
	if err := writeTar(compressor, files); err != nil {
		return nil, err
	}
	if err := compressor.Close(); err != nil {
		return nil, err
	}
	if err := out.Close(); err != nil {
		return nil, err
	}
	return openLayer(path)
}

// openLayer opens a layer compressed with zstd.
func openLayer(path string) (v1.Layer, error) {
	return tarball.LayerFromFile(path, tarball.WithCompression(compression.ZStd), tarball.WithMediaType(types.OCILayerZStd))
}

func writeTar(w io.Writer, files []File) error {
	out := tar.NewWriter(w)
	for _, dir := range directories(files) {
		header := &tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755, ModTime: time.Unix(0, 0)}
		if dir == "tmp" {
			header.Mode = 0o1777
		}
		if err := out.WriteHeader(header); err != nil {
			return err
		}
	}
	sorted := slices.SortedFunc(slices.Values(files), func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	for _, file := range sorted {
		if err := file.write(out); err != nil {
			return fmt.Errorf("%s: %w", file.Path, err)
		}
	}
	return out.Close()
}

// directories returns the parents of files, parents first, and tmp.
func directories(files []File) []string {
	found := map[string]bool{"tmp": true}
	for _, file := range files {
		for dir := path.Dir(strings.TrimPrefix(file.Path, "/")); dir != "."; dir = path.Dir(dir) {
			found[dir] = true
		}
	}
	var dirs []string
	for dir := range found {
		dirs = append(dirs, dir)
	}
	slices.Sort(dirs)
	return dirs
}

func (f File) write(out *tar.Writer) error {
	header := &tar.Header{
		Typeflag: tar.TypeReg,
		Name:     strings.TrimPrefix(f.Path, "/"),
		Mode:     f.Mode,
		Size:     int64(len(f.Data)),
		ModTime:  time.Unix(0, 0),
	}
	if f.Mode == 0 {
		header.Mode = 0o755
	}
	if f.Capabilities != nil {
		header.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": string(f.Capabilities)}
	}
	if f.Source == "" {
		if err := out.WriteHeader(header); err != nil {
			return err
		}
		_, err := out.Write(f.Data)
		return err
	}
	source, err := os.Open(f.Source)
	if err != nil {
		return err
	}
	defer source.Close()
	info, err := source.Stat()
	if err != nil {
		return err
	}
	header.Size = info.Size()
	if err := out.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(out, source)
	return err
}

// static fails for a program that needs a dynamic linker, which images without a base do not have.
func static(program string) error {
	file, err := elf.Open(program)
	if err != nil {
		return fmt.Errorf("%s: %w", program, err)
	}
	defer file.Close()
	for _, segment := range file.Progs {
		if segment.Type == elf.PT_INTERP {
			return fmt.Errorf("%s is linked dynamically: it cannot run in an image of its own", program)
		}
	}
	return nil
}
