package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"slipway.dev/sandbox/cluster"
)

func newDownCommand() *cobra.Command {
	var o cluster.Options
	var keepData bool
	cmd := &cobra.Command{
		Use:   "down",
		Short: "End a sandbox and remove everything it made",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cluster.Down(cmd.Context(), o, keepData)
		},
	}
	addTarget(cmd, &o)
	cmd.Flags().BoolVar(&keepData, "keep-data", false, "keep the data: the next up continues with it")
	return cmd
}

func newVerifyCleanCommand() *cobra.Command {
	var o cluster.Options
	cmd := &cobra.Command{
		Use:   "verify-clean",
		Short: "Fail if anything of a sandbox is left on this machine",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			found, err := cluster.Leftovers(o)
			if err != nil {
				return err
			}
			if len(found) > 0 {
				return errors.New("left of the sandbox:\n  " + strings.Join(found, "\n  "))
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "nothing is left of sandbox %s\n", o.Name)
			return err
		},
	}
	addTarget(cmd, &o)
	return cmd
}
