package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"slipway.dev/sandbox/addons"
	"slipway.dev/sandbox/cluster"
)

const (
	defaultName    = "slipway"
	defaultDataDir = "build/sandbox"
)

// addTarget adds the flags that say which sandbox is meant.
func addTarget(cmd *cobra.Command, o *cluster.Options) {
	cmd.Flags().StringVar(&o.Name, "name", defaultName, "name of the sandbox; several can run at once")
	cmd.Flags().StringVar(&o.DataDir, "data-dir", defaultDataDir, "folder for kubeconfig, logs and the nodes' file systems")
}

func newUpCommand() *cobra.Command {
	var o cluster.Options
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start a management cluster, or complete the one that runs",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := addons.Check(o.Addons); err != nil {
				return err
			}
			o.Log = cmd.OutOrStdout()
			ctx, cancel := context.WithTimeoutCause(cmd.Context(), timeout,
				fmt.Errorf("not ready after %s: `sandbox status --name %s` shows what runs", timeout, o.Name))
			defer cancel()
			if err := cluster.Up(ctx, o); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "\nexport KUBECONFIG=%s\n", o.Kubeconfig())
			return err
		},
	}
	addTarget(cmd, &o)
	cmd.Flags().IntVar(&o.Nodes, "nodes", 1, "number of management nodes")
	cmd.Flags().StringSliceVar(&o.Addons, "addons", nil, "which of cert-manager, external-dns, kubevirt to install (default all)")
	cmd.Flags().DurationVar(&timeout, "timeout", time.Hour, "give up after this time, building included")
	return cmd
}
