package main

import (
	"github.com/spf13/cobra"

	"slipway.dev/sandbox/build"
)

// newBuildCommand builds components, all of them by default, in the order of build.Components, and their images.
func newBuildCommand() *cobra.Command {
	images := true
	command := &cobra.Command{
		Use:   "build [component...]",
		Short: "Build the sandbox's components and their images from source",
		RunE: func(cmd *cobra.Command, names []string) error {
			ctx := cmd.Context()
			builder, err := build.New(cmd.OutOrStdout())
			if err != nil {
				return err
			}
			if err := build.InstallPackages(ctx); err != nil {
				return err
			}
			if len(names) == 0 {
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
			_, err = builder.Images(ctx, build.ImageNames(names...)...)
			return err
		},
	}
	command.Flags().BoolVar(&images, "images", images, "make the container images too")
	return command
}
