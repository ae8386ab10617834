// The guest command builds the worker's operating system image on its own, without the sandbox:
//
//	go run ./guest build
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"

	"slipway.dev/guest/image"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 || args[0] != "build" {
		return fmt.Errorf("usage: guest build [flags]")
	}
	userCache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	flags := flag.NewFlagSet("build", flag.ContinueOnError)
	cache := flags.String("cache", envOr("SLIPWAY_CACHE", filepath.Join(userCache, "slipway")), "directory of built programs and of the result")
	source := flags.String("source", "guest", "directory of the module slipway.dev/guest")
	registry := flags.String("registry", "registry.slipway.internal", "registry in the names of preloaded images")
	version := flags.String("version", "v1.36.3", "Kubernetes version of the programs in the cache")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	pause, err := image.FromBinary(filepath.Join(*cache, "bin", "pause"))
	if err != nil {
		return err
	}
	result, err := image.Build(ctx, image.Options{
		Cache: *cache, Source: *source, Version: *version, Log: slog.Default(),
		Pause: image.Preload{Reference: *registry + "/pause:" + *version, Image: pause},
	})
	if err != nil {
		return err
	}
	for _, path := range []string{result.Kernel, result.Initrd, result.Root, result.Bill} {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		fmt.Printf("%-60s %7.1f MiB\n", path, float64(info.Size())/(1<<20))
	}
	return nil
}

func envOr(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}
