package build

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Binaries returns the folder with the programs of the named component, built when they are not there yet, and links
// each of them in bin/ of the cache.
func (b *Builder) Binaries(ctx context.Context, name string) (string, error) {
	start := time.Now()
	c, err := Find(name)
	if err != nil {
		return "", err
	}
	folder := b.folder(c)
	patched := c.Patch != nil && (c.Patch.Wanted == nil || c.Patch.Wanted())
	hash, err := c.hash(folder, patched)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(b.Cache, "components", c.Name+"-"+hash)
	fresh, err := once(dir, func(tmp string) error { return b.compile(ctx, c, patched, tmp) })
	if err != nil {
		return "", fmt.Errorf("building %s: %w", c.Name, err)
	}
	for _, program := range c.programs() {
		if err := b.link(program, filepath.Join(dir, program)); err != nil {
			return "", err
		}
	}
	b.report("component", c.Name, fresh, start, dir)
	return dir, nil
}

// Version returns the version of the named component, as its go.mod pins it.
func (b *Builder) Version(name string) (string, error) {
	c, err := Find(name)
	if err != nil {
		return "", err
	}
	return c.version(b.folder(c))
}

// ModuleDir returns the folder with the named component's published source, where manifests such as CRDs are found.
func (b *Builder) ModuleDir(ctx context.Context, name string) (string, error) {
	c, err := Find(name)
	if err != nil {
		return "", err
	}
	return moduleDir(ctx, b.folder(c), c.Module)
}

func (b *Builder) folder(c Component) string {
	return filepath.Join(b.Root, "sandbox", "components", c.Name)
}

func (c Component) programs() []string {
	return slices.Sorted(maps.Keys(merge(c.Binaries, c.CSources)))
}

func merge(a, b map[string]string) map[string]string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// compile builds every program of c into out: the Go ones in a single run, because they share most of their packages.
func (b *Builder) compile(ctx context.Context, c Component, patched bool, out string) error {
	folder := b.folder(c)
	version, err := c.version(folder)
	if err != nil {
		return err
	}
	args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", c.ldflags(version), "-o", out + "/"}
	if len(c.Tags) > 0 {
		args = append(args, "-tags", strings.Join(c.Tags, ","))
	}
	if patched {
		work, err := os.MkdirTemp(filepath.Join(b.Cache, "components"), ".patched-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(work)
		modfile, err := c.patch(ctx, folder, work)
		if err != nil {
			return err
		}
		args = append(args, "-modfile", modfile)
	}
	args = append(args, slices.Sorted(maps.Values(c.Binaries))...)
	if err := goCommand(ctx, folder, c.CGO, args...); err != nil {
		return err
	}
	for program, pkg := range c.Binaries {
		if built := defaultOutput(pkg); built != program {
			if err := os.Rename(filepath.Join(out, built), filepath.Join(out, program)); err != nil {
				return err
			}
		}
	}
	return c.compileC(ctx, folder, version, out)
}

// compileC builds the static C programs of c.
func (c Component) compileC(ctx context.Context, folder, version, out string) error {
	if len(c.CSources) == 0 {
		return nil
	}
	source, err := moduleDir(ctx, folder, c.Module)
	if err != nil {
		return err
	}
	for program, file := range c.CSources {
		args := []string{"-Os", "-s", "-static", "-DVERSION=" + version, "-o", filepath.Join(out, program), filepath.Join(source, file)}
		if err := run(exec.CommandContext(ctx, "gcc", args...)); err != nil {
			return err
		}
	}
	return nil
}

// ldflags drops symbols and debugging data and, where the program asks for it, sets its version.
func (c Component) ldflags(version string) string {
	flags := []string{"-s", "-w"}
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	for _, pkg := range c.Version {
		flags = append(flags,
			"-X", pkg+".gitVersion="+version,
			"-X", pkg+".gitMajor="+parts[0],
			"-X", pkg+".gitMinor="+parts[1],
			"-X", pkg+".gitTreeState=clean")
	}
	return strings.Join(flags, " ")
}

// patch copies the component's module to work, changes it there and returns a go.mod that uses the copy. Go itself
// refuses overlays of files in its module cache.
func (c Component) patch(ctx context.Context, folder, work string) (string, error) {
	source, err := moduleDir(ctx, folder, c.Module)
	if err != nil {
		return "", err
	}
	changed := filepath.Join(work, "module")
	if err := os.CopyFS(changed, os.DirFS(source)); err != nil {
		return "", err
	}
	if err := c.Patch.apply(changed, folder); err != nil {
		return "", err
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(work, name), data, 0o644); err != nil {
			return "", err
		}
	}
	modfile := filepath.Join(work, "go.mod")
	return modfile, goCommand(ctx, work, false, "mod", "edit", "-replace", c.Module+"="+changed, modfile)
}

// apply makes the change below dir. Files that take the place of others are below folder.
func (p *Patch) apply(dir, folder string) error {
	for file, replacement := range p.Replace {
		data, err := os.ReadFile(filepath.Join(folder, replacement))
		if err != nil {
			return err
		}
		if err := overwrite(filepath.Join(dir, file), data); err != nil {
			return fmt.Errorf("patch %s: look at the new version: %w", p.Name, err)
		}
	}
	if p.File == "" {
		return nil
	}
	path := filepath.Join(dir, p.File)
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if n := bytes.Count(data, []byte(p.Old)); n != p.Times {
		return fmt.Errorf("patch %s: %s has %q %d times, not %d: look at the new version", p.Name, p.File, p.Old, n, p.Times)
	}
	return overwrite(path, bytes.ReplaceAll(data, []byte(p.Old), []byte(p.New)))
}

// overwrite changes a file that is there, though read-only as Go leaves modules.
func overwrite(path string, data []byte) error {
	if err := os.Chmod(path, 0o644); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

// defaultOutput is the file name that go build gives to a main package: the last element of its path that is not a
// major version.
func defaultOutput(pkg string) string {
	base := path.Base(pkg)
	if len(base) > 1 && base[0] == 'v' && strings.Trim(base[1:], "0123456789") == "" {
		base = path.Base(path.Dir(pkg))
	}
	return base
}

// moduleDir downloads a module that folder's go.mod requires, and returns where its source is.
func moduleDir(ctx context.Context, folder, module string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", module)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("downloading %s: %w\n%s", module, err, out)
	}
	var info struct{ Dir string }
	if err := json.Unmarshal(out, &info); err != nil {
		return "", err
	}
	return info.Dir, nil
}

// goCommand runs go in folder, outside any workspace.
func goCommand(ctx context.Context, folder string, cgo bool, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	if cgo {
		cmd.Env = append(cmd.Env, "CGO_ENABLED=1")
	}
	return run(cmd)
}

// run runs a command and puts what it wrote into the error when it fails.
func run(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}
