package build

import (
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
	"syscall"
	"time"
)

// hashLength is how many hexadecimal digits of a SHA-256 name a result: 48 bits, ample for the few hundred results of a
// cache and short enough to read.
const hashLength = 12

// recipe is everything besides the folder's files that decides what a component's build gives.
type recipe struct {
	Component Component
	Patched   bool
	Go        string
	Platform  string
}

// hash names the build of a component by its content: the recipe and every file of its folder.
func (c Component) hash(folder string, patched bool) (string, error) {
	sum := sha256.New()
	if err := json.NewEncoder(sum).Encode(recipe{
		Component: c,
		Patched:   patched,
		Go:        runtime.Version(),
		Platform:  runtime.GOOS + "/" + runtime.GOARCH,
	}); err != nil {
		return "", err
	}
	if err := hashFolder(sum, folder); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil))[:hashLength], nil
}

// hashFolder adds names and contents of all regular files below folder in lexical order; tests do not count.
func hashFolder(sum io.Writer, folder string) error {
	return filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || strings.HasSuffix(path, "_test.go") {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%s %d\n", filepath.ToSlash(name), len(data))
		_, err = sum.Write(data)
		return err
	})
}

// once returns dir, made by fill when it is not there yet. fill writes to a folder that gets its name only when complete,
// so a build that was interrupted leaves nothing that looks finished. fresh tells whether fill ran.
func once(dir string, fill func(tmp string) error) (fresh bool, err error) {
	if used(dir) {
		return false, nil
	}
	unlock, err := lock(filepath.Dir(dir))
	if err != nil {
		return false, err
	}
	defer unlock()
	if used(dir) {
		return false, nil
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".tmp-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		return false, err
	}
	if err := fill(tmp); err != nil {
		return false, err
	}
	return true, os.Rename(tmp, dir)
}

// used tells whether a result is there, and notes the time for Prune.
func used(dir string) bool {
	return os.Chtimes(dir, time.Time{}, time.Now()) == nil
}

// Prune removes results, and what interrupted builds left, that no build has used since the given time.
func (b *Builder) Prune(unusedSince time.Time) error {
	for _, kind := range []string{"components", "programs", "images", "guest"} {
		if err := pruneFolder(filepath.Join(b.Cache, kind), unusedSince); err != nil {
			return fmt.Errorf("removing what is no longer used: %w", err)
		}
	}
	return nil
}

func pruneFolder(parent string, unusedSince time.Time) error {
	unlock, err := lock(parent)
	if err != nil {
		return err
	}
	defer unlock()
	entries, err := os.ReadDir(parent)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if !entry.IsDir() || !info.ModTime().Before(unusedSince) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(parent, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

// lock makes dir and keeps other processes, and other callers in this one, from filling it meanwhile: one big compilation
// already uses the whole machine, and the second of two equal ones would be for nothing.
func lock(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		file.Close()
		return nil, err
	}
	return func() { file.Close() }, nil
}

// link points bin/<name> in the cache at target, replacing at once what was there.
func (b *Builder) link(name, target string) error {
	bin := filepath.Join(b.Cache, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	relative, err := filepath.Rel(bin, target)
	if err != nil {
		return err
	}
	path := filepath.Join(bin, name)
	if current, err := os.Readlink(path); err == nil && current == relative {
		return nil
	}
	tmp := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := os.Symlink(relative, tmp); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
