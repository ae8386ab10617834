// Package build makes everything that the sandbox runs from source: third-party programs from their pinned Go modules,
// our own operators from the workspace, and a container image of each. Nothing is fetched from an image registry.
// Results are kept by a hash of what they are made of, so nothing is made twice.
package build

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Builder builds from one source tree into one cache.
type Builder struct {
	// Root is the top of the Slipway source tree.
	Root string
	// Cache holds components/, programs/, images/, guest/, debian/ and bin/.
	Cache string
	// Log gets one line per result.
	Log io.Writer

	reported sync.Map
}

// New returns the Builder of the source tree around the working directory and of the cache named by SLIPWAY_CACHE.
func New(log io.Writer) (*Builder, error) {
	root, err := sourceRoot()
	if err != nil {
		return nil, err
	}
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	return &Builder{Root: root, Cache: cache, Log: log}, nil
}

// CacheDir returns $SLIPWAY_CACHE, or slipway in the user's cache directory.
func CacheDir() (string, error) {
	if dir := os.Getenv("SLIPWAY_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "slipway"), nil
}

// sourceRoot returns $SLIPWAY_ROOT, or the nearest folder above the working directory that has sandbox/components.
func sourceRoot() (string, error) {
	if dir := os.Getenv("SLIPWAY_ROOT"); dir != "" {
		return filepath.Abs(dir)
	}
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "sandbox", "components")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("the sandbox builds from source: run it inside the Slipway source tree, or set SLIPWAY_ROOT to it")
		}
	}
}

// report writes the line of one result, once.
func (b *Builder) report(kind, name string, fresh bool, start time.Time, dir string) {
	if _, again := b.reported.LoadOrStore(dir, true); again || b.Log == nil {
		return
	}
	how := "cached"
	if fresh {
		how = "built in " + time.Since(start).Round(100*time.Millisecond).String()
	}
	fmt.Fprintf(b.Log, "%-9s %-28s %-18s %s\n", kind, name, how, dir)
}
