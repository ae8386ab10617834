// Command sandbox runs a complete management cluster on one Linux machine.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

func main() {
	// What controller-runtime's client logs is of no use to whoever runs a command.
	log.SetLogger(logr.Discard())
	root := &cobra.Command{
		Use:           "sandbox",
		Short:         "A real management cluster on one Linux machine",
		SilenceUsage:  true,
		SilenceErrors: false,
	}
	root.AddCommand(newBuildCommand(), newUpCommand(), newDownCommand(), newStatusCommand(), newExecCommand(),
		newVerifyCleanCommand(), newDeployCommand(), newTenantCommand(), newEnvironmentCommand(), newMachineCommand(), newForwardCommand())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := root.ExecuteContext(ctx); err != nil {
		os.Exit(1)
	}
}
