package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"slipway.dev/sandbox/build"
	"slipway.dev/sandbox/cluster"
)

func newStatusCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what a sandbox consists of",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := cluster.Recorded(name)
			if err != nil {
				return err
			}
			out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintf(out, "address\t%s\n", s.Loopback)
			fmt.Fprintf(out, "data\t%s\n", s.DataDir)
			fmt.Fprintf(out, "kubeconfig\t%s\n", cluster.Options{DataDir: s.DataDir}.Kubeconfig())
			for _, p := range s.Processes {
				condition := "running"
				if !p.Alive() {
					condition = "ended"
				}
				fmt.Fprintf(out, "%s\t%s\tprocess %d\tlog %s\n", p.Name, condition, p.PID,
					filepath.Join(s.DataDir, "log", p.Name+".log"))
			}
			return out.Flush()
		},
	}
	cmd.Flags().StringVar(&name, "name", defaultName, "name of the sandbox")
	return cmd
}

// newExecCommand runs a command on one of the machines, with the programs of
// the cache before the host's own.
func newExecCommand() *cobra.Command {
	var name, machine string
	cmd := &cobra.Command{
		Use:   "exec --node 0 -- command [argument...]",
		Short: "Run a command on a node, or on the hub with --node hub",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := cluster.Recorded(name)
			if err != nil {
				return err
			}
			process := machine
			if _, err := strconv.Atoi(machine); err == nil {
				process = name + "-" + machine
			}
			p, ok := s.Process(process)
			if !ok || !p.Alive() {
				return fmt.Errorf("no machine %q runs", machine)
			}
			cache, err := build.CacheDir()
			if err != nil {
				return err
			}
			enter := []string{"--target", strconv.Itoa(p.PID), "--mount", "--uts", "--ipc", "--net", "--pid",
				"--root", "--wd=/", "--", "/usr/bin/env", "PATH=" + s.Programs + ":" + filepath.Join(cache, "bin"),
				"KUBECONFIG=/etc/kubernetes/super-admin.conf"}
			child := exec.CommandContext(cmd.Context(), "nsenter", append(enter, args...)...)
			child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
			return child.Run()
		},
	}
	cmd.Flags().StringVar(&name, "name", defaultName, "name of the sandbox")
	cmd.Flags().StringVar(&machine, "node", "0", "number of the node, or hub")
	return cmd
}
