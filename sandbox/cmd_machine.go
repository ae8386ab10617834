package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"slipway.dev/sandbox/cgroup"
	"slipway.dev/sandbox/cluster"
	"slipway.dev/sandbox/forward"
	"slipway.dev/sandbox/layout"
	"slipway.dev/sandbox/supervise"
)

// newMachineCommand is the first process of a machine; `up` starts it.
func newMachineCommand() *cobra.Command {
	var spec, group string
	cmd := &cobra.Command{
		Use:    cluster.MachineCommand,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cgroup.Join(group); err != nil {
				return err
			}
			s, err := supervise.ReadSpec(spec)
			if err != nil {
				return err
			}
			return supervise.Run(cmd.Context(), s)
		},
	}
	cmd.Flags().StringVar(&spec, "spec", "", "file that describes the machine")
	cmd.Flags().StringVar(&group, "cgroup", "", "cgroup of the machine")
	return cmd
}

// newForwardCommand serves the loopback address; `up` starts it.
func newForwardCommand() *cobra.Command {
	var name string
	var addressTo uint
	cmd := &cobra.Command{
		Use:    cluster.ForwardCommand,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := layout.New(name, 1)
			if err != nil {
				return err
			}
			if err := cgroup.Join(p.HubCgroup()); err != nil {
				return err
			}
			f, err := forward.Listen(p.HubNamespace(), layout.LoopbackCandidates(name), cluster.Targets(p))
			if err != nil {
				return err
			}
			out := os.NewFile(uintptr(addressTo), "address")
			if _, err := fmt.Fprintln(out, f.Address); err != nil {
				return err
			}
			if err := out.Close(); err != nil {
				return err
			}
			f.Serve(cmd.Context())
			return nil
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "name of the sandbox")
	cmd.Flags().UintVar(&addressTo, "address-to", 3, "file descriptor that gets the address")
	return cmd
}
