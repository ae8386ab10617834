package main

import (
	"time"

	"github.com/spf13/cobra"

	"slipway.dev/sandbox/build"
	"slipway.dev/sandbox/deploy"
	"slipway.dev/sandbox/state"
)

// keepUnused is how long the cache keeps what is built and not used again: long enough to go back to last week's source.
const keepUnused = 7 * 24 * time.Hour

// newBuildCommand builds the named components and their images; by default all of them, Slipway itself and the guest.
func newBuildCommand() *cobra.Command {
	images := true
	command := &cobra.Command{
		Use:   "build [component...]",
		Short: "Build components and images from source: all, or those named",
		RunE: func(cmd *cobra.Command, names []string) error {
			ctx := cmd.Context()
			builder, err := build.New(cmd.OutOrStdout())
			if err != nil {
				return err
			}
			if err := build.InstallPackages(ctx); err != nil {
				return err
			}
			all := len(names) == 0
			if all {
				for _, component := range build.Components() {
					names = append(names, component.Name)
				}
			}
			for _, name := range names {
				if _, err := builder.Binaries(ctx, name); err != nil {
					return err
				}
			}
			if !images {
				return nil
			}
			if _, err = builder.Images(ctx, build.ImageNames(names...)...); err != nil || !all {
				return err
			}
			if _, err := deploy.Build(ctx, builder); err != nil {
				return err
			}
			// The nodes of a sandbox run what they found in the cache when it came up.
			if state.Any() {
				return nil
			}
			return builder.Prune(time.Now().Add(-keepUnused))
		},
	}
	command.Flags().BoolVar(&images, "images", images, "make the container images too")
	return command
}
