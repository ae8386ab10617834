// Command lint is golangci-lint with the linter for Kubernetes APIs built in.
package main

import (
	"os"

	"github.com/golangci/golangci-lint/v2/pkg/commands"
	_ "sigs.k8s.io/kube-api-linter"
)

func main() {
	if err := commands.Execute(commands.BuildInfo{Version: "v2.15.0"}); err != nil {
		os.Exit(3)
	}
}
