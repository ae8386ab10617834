package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// Programs builds main packages of our own workspace, given as program name -> package, into the cache and returns the
// folder that holds them, named after their content. Go's own cache makes this quick when nothing has changed.
func (b *Builder) Programs(ctx context.Context, name string, programs map[string]string) (string, error) {
	start := time.Now()
	work, err := os.MkdirTemp("", "slipway-build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	sum := sha256.New()
	for _, program := range slices.Sorted(maps.Keys(programs)) {
		out := filepath.Join(work, program)
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", out, programs[program])
		cmd.Dir = b.Root
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if err := run(cmd); err != nil {
			return "", fmt.Errorf("building %s: %w", name, err)
		}
		if err := hashFile(sum, program, out); err != nil {
			return "", err
		}
	}
	dir := filepath.Join(b.Cache, "programs", name+"-"+hex.EncodeToString(sum.Sum(nil))[:hashLength])
	fresh, err := once(dir, func(tmp string) error { return os.CopyFS(tmp, os.DirFS(work)) })
	if err != nil {
		return "", err
	}
	b.report("programs", name, fresh, start, dir)
	return dir, nil
}

func hashFile(sum io.Writer, name, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	fmt.Fprintln(sum, name)
	_, err = io.Copy(sum, file)
	return err
}

// Operator builds one of our images from main packages of the workspace, given as program name -> package. The image is
// slipway/<name>, its tag the hash of its programs, and its entrypoint the program called name.
func (b *Builder) Operator(ctx context.Context, name string, programs map[string]string) (Image, error) {
	if _, ok := programs[name]; !ok {
		return Image{}, fmt.Errorf("image slipway/%s has no program %s", name, name)
	}
	dir, err := b.Programs(ctx, name, programs)
	if err != nil {
		return Image{}, err
	}
	spec := Spec{
		Name:       "slipway/" + name,
		Tag:        filepath.Base(dir)[len(name)+1:],
		Entrypoint: []string{"/usr/local/bin/" + name},
	}
	for _, program := range slices.Sorted(maps.Keys(programs)) {
		spec.Files = append(spec.Files, File{Path: "/usr/local/bin/" + program, Source: filepath.Join(dir, program)})
	}
	return b.Assemble(spec)
}
