package main

import (
	"github.com/spf13/cobra"

	"slipway.dev/sandbox/build"
)

// newBuildCommand builds components, all of them by default, in the order of build.Components.
func newBuildCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "build [component...]",
		Short: "Build the sandbox's components from source",
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
			return nil
		},
	}
}
