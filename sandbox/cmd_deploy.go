package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"slipway.dev/sandbox/cluster"
	"slipway.dev/sandbox/deploy"
	"slipway.dev/sandbox/layout"
	"slipway.dev/sandbox/tenant"
)

func newDeployCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "deploy",
		Short: "Install Slipway, as the source tree has it, with its Helm chart",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return deploy.Run(cmd.Context(), name, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&name, "name", defaultName, "name of the sandbox")
	return cmd
}

func newTenantCommand() *cobra.Command {
	var name, file string
	create := &cobra.Command{
		Use:   "create --file tenant.yaml",
		Short: "Submit a TenantCluster, follow it until it is ready, and write its kubeconfig",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			recorded, err := cluster.Recorded(name)
			if err != nil {
				return err
			}
			manifest, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			c, err := tenant.Client(cluster.Options{DataDir: recorded.DataDir}.Kubeconfig())
			if err != nil {
				return err
			}
			made, err := tenant.Create(cmd.Context(), c, manifest, cmd.OutOrStdout())
			if err != nil {
				return err
			}
			kubeconfig := filepath.Join(recorded.DataDir, made.Name+".kubeconfig")
			if err := tenant.WriteKubeconfig(cmd.Context(), c, made, kubeconfig); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout())
			if err := tenant.PrintNodes(cmd.Context(), kubeconfig, cmd.OutOrStdout()); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "\nkubectl --kubeconfig %s get nodes\n", kubeconfig)
			return err
		},
	}
	create.Flags().StringVar(&name, "name", defaultName, "name of the sandbox")
	create.Flags().StringVarP(&file, "file", "f", "", "manifest of one TenantCluster")
	_ = create.MarkFlagRequired("file") // fails only for a flag that does not exist
	cmd := &cobra.Command{Use: "tenant", Short: "Work with tenant clusters of the sandbox"}
	cmd.AddCommand(create)
	return cmd
}

// newEnvironmentCommand prints the words that, put before a command, tell it where a sandbox is.
func newEnvironmentCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "e2e-environment",
		Short: "Print the environment in which the user stories find the sandbox",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			recorded, err := cluster.Recorded(name)
			if err != nil {
				return err
			}
			self, err := os.Executable()
			if err != nil {
				return err
			}
			auditLog, err := cluster.AuditLog(recorded)
			if err != nil {
				return err
			}
			for _, variable := range []string{
				"KUBECONFIG=" + cluster.Options{DataDir: recorded.DataDir}.Kubeconfig(),
				fmt.Sprintf("E2E_NODE_COMMAND=%s exec --name %s --", self, name),
				fmt.Sprintf("E2E_DNS_SERVER=%s:%d", recorded.Loopback, layout.DNSPort),
				fmt.Sprintf("E2E_REGISTRY=%s:%d", recorded.Loopback, layout.RegistryPort),
				"E2E_BASE_DOMAIN=" + layout.Zone,
				"E2E_AUDIT_LOG=" + auditLog,
			} {
				if _, err := fmt.Fprintln(cmd.OutOrStdout(), variable); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&name, "name", defaultName, "name of the sandbox")
	return cmd
}
