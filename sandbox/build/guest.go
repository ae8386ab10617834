package build

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	guest "slipway.dev/guest/image"
)

// guestComponents are those whose programs are part of the guest.
var guestComponents = []string{"kubernetes", "containerd", "runc", "cni-plugins", "network-policies"}

// preloaded are the images that every worker runs, so that none has to pull them.
var preloaded = []string{"pause", "coredns"}

// Guest makes the worker's operating system as an image. Its preloaded images
// have the names that they have in the registry.
func (b *Builder) Guest(ctx context.Context, registry string) (Image, error) {
	start := time.Now()
	for _, component := range guestComponents {
		if _, err := b.Binaries(ctx, component); err != nil {
			return Image{}, err
		}
	}
	version, err := b.Version("kubernetes")
	if err != nil {
		return Image{}, err
	}
	options := guest.Options{Cache: b.Cache, Source: filepath.Join(b.Root, "guest"), Version: version, Log: slog.New(slog.DiscardHandler)}
	for i, name := range preloaded {
		image, err := b.Image(ctx, name)
		if err != nil {
			return Image{}, err
		}
		content, err := openLayout(image.Path)
		if err != nil {
			return Image{}, fmt.Errorf("opening image %s: %w", name, err)
		}
		preload := guest.Preload{Reference: image.Reference(registry), Image: content}
		if i == 0 {
			options.Pause = preload
		} else {
			options.Images = append(options.Images, preload)
		}
	}
	result, err := guest.Build(ctx, options)
	if err != nil {
		return Image{}, fmt.Errorf("building the guest: %w", err)
	}
	image := Image{Name: "guest", Tag: version, Path: filepath.Join(b.Cache, "images", "guest-"+result.Hash)}
	fresh, err := once(image.Path, func(tmp string) error {
		var content v1.Image
		if content, err = result.Image(); err != nil {
			return err
		}
		return writeLayout(tmp, content)
	})
	if err != nil {
		return Image{}, fmt.Errorf("image guest: %w", err)
	}
	b.report("image", "guest:"+version, fresh, start, image.Path)
	return image, nil
}
