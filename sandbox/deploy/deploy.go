// Package deploy installs Slipway on a sandbox as a platform team would on
// their cluster: images in a registry, then the Helm chart.
package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"slipway.dev/sandbox/addons"
	"slipway.dev/sandbox/build"
	"slipway.dev/sandbox/cluster"
	"slipway.dev/sandbox/layout"
)

const (
	// Namespace of the operators.
	Namespace = "slipway-system"
	// release is the name of the Helm release.
	release = "slipway"
)

// ours are the images of the workspace: name -> program -> package.
var ours = map[string]map[string]string{
	"cluster-operator": {"cluster-operator": "./operators/cluster"},
	"cert-operator":    {"cert-operator": "./operators/cert"},
	"network-operator": {"network-operator": "./operators/network"},
	"network-agent":    {"network-agent": "./operators/network/cmd/network-agent", "slipway-cni": "./operators/network/cni"},
	"kvm-operator":     {"kvm-operator": "./operators/kvm"},
	"dns-operator":     {"dns-operator": "./operators/dns"},
}

// tenantImages are those of the sandbox's registry that control planes consist of, and that workers pull.
var tenantImages = []string{
	"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "agnhost", "sample-apiserver", "coredns",
}

// Run builds and pushes what Slipway consists of and installs its chart on the
// sandbox of that name. Run again, it brings the sandbox to what the source
// tree says now.
func Run(ctx context.Context, name string, out io.Writer) error {
	started := time.Now()
	done := func(what string) {
		// A progress line that cannot be written must not end the work.
		_, _ = fmt.Fprintf(out, "%6.1fs  %s\n", time.Since(started).Seconds(), what)
	}
	recorded, err := cluster.Recorded(name)
	if err != nil {
		return err
	}
	builder, err := build.New(nil)
	if err != nil {
		return err
	}
	images, err := Build(ctx, builder)
	if err != nil {
		return err
	}
	done("operators and guest are built")
	registry, err := cluster.Registry(name)
	if err != nil {
		return err
	}
	if err := build.Push(ctx, registry, images...); err != nil {
		return err
	}
	done("registry has them")
	emulated, err := addons.Emulated()
	if err != nil {
		return err
	}
	chartValues, err := values(recorded, images, emulated)
	if err != nil {
		return err
	}
	options := cluster.Options{DataDir: recorded.DataDir}
	if err := install(ctx, builder, options.Kubeconfig(), chartValues); err != nil {
		return err
	}
	done("operators run")
	return nil
}

// Build makes our own images, the guest and those of the tenants.
func Build(ctx context.Context, builder *build.Builder) ([]build.Image, error) {
	images, err := builder.Images(ctx, tenantImages...)
	if err != nil {
		return nil, err
	}
	for name, programs := range ours {
		image, err := builder.Operator(ctx, name, programs)
		if err != nil {
			return nil, err
		}
		images = append(images, image)
	}
	guest, err := builder.Guest(ctx, layout.RegistryHost)
	if err != nil {
		return nil, err
	}
	return append(images, guest), nil
}

// install runs helm upgrade --install with the chart of the source tree.
func install(ctx context.Context, builder *build.Builder, kubeconfig string, values map[string]any) error {
	file, err := os.CreateTemp("", "slipway-values-*.json")
	if err != nil {
		return fmt.Errorf("make values file: %w", err)
	}
	defer os.Remove(file.Name())
	if err := json.NewEncoder(file).Encode(values); err != nil {
		return fmt.Errorf("write values: %w", err)
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("write values: %w", err)
	}
	folder, err := builder.Binaries(ctx, "helm")
	if err != nil {
		return err
	}
	chart := filepath.Join(builder.Root, "charts", release)
	// Helm installs CRDs once and never touches them again; this makes `deploy` an upgrade too.
	kubernetes, err := builder.Binaries(ctx, "kubernetes")
	if err != nil {
		return err
	}
	commands := [][]string{
		{filepath.Join(kubernetes, "kubectl"), "--kubeconfig", kubeconfig, "apply", "--server-side", "--force-conflicts", "-f", filepath.Join(chart, "crds")},
		{filepath.Join(folder, "helm"), "dependency", "build", chart},
		{filepath.Join(folder, "helm"), "upgrade", "--install", release, chart, "--kubeconfig", kubeconfig,
			"--namespace", Namespace, "--values", file.Name(), "--wait", "--timeout", "3m"},
	}
	for _, command := range commands {
		if output, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(command, " "), err, output)
		}
	}
	return nil
}
