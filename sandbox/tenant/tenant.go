// Package tenant submits a TenantCluster and follows it until it is ready.
package tenant

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/follow"
)

// owner of the fields that Create applies.
const owner = client.FieldOwner("slipway-sandbox")

// steps in the order in which people expect them, with what to call them.
var steps = []struct{ condition, name string }{
	{v1alpha1.ConditionNetworkReady, "overlay network"},
	{v1alpha1.ConditionPKIReady, "certificates"},
	{v1alpha1.ConditionControlPlaneReady, "control plane"},
	{v1alpha1.ConditionAddonsReady, "add-ons"},
	{v1alpha1.ConditionDNSReady, "DNS names"},
	{v1alpha1.ConditionWorkersReady, "workers"},
	{v1alpha1.ConditionReady, "tenant cluster"},
}

// Client makes a client of the management cluster that kubeconfig names.
func Client(kubeconfig string) (client.WithWatch, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", kubeconfig, err)
	}
	types := runtime.NewScheme()
	if err := errors.Join(scheme.AddToScheme(types), v1alpha1.AddToScheme(types)); err != nil {
		return nil, fmt.Errorf("register types: %w", err)
	}
	return client.NewWithWatch(config, client.Options{Scheme: types})
}

// Create applies the TenantCluster in a manifest, prints each step as it
// completes with the seconds since then, and returns when the tenant is Ready.
func Create(ctx context.Context, c client.WithWatch, manifest []byte, out io.Writer) (*v1alpha1.TenantCluster, error) {
	tc := &v1alpha1.TenantCluster{}
	if err := yaml.UnmarshalStrict(manifest, tc); err != nil {
		return nil, fmt.Errorf("read TenantCluster: %w", err)
	}
	if tc.Namespace == "" {
		tc.Namespace = metav1.NamespaceDefault
	}
	started := time.Now()
	if err := applyManifest(ctx, c, manifest, tc); err != nil {
		return nil, err
	}
	return await(ctx, c, tc, &report{out: out, started: started, done: map[string]bool{}})
}

// applyManifest sends what the user wrote and nothing else, so that defaults stay defaults.
func applyManifest(ctx context.Context, c client.Client, manifest []byte, tc *v1alpha1.TenantCluster) error {
	body, err := yaml.YAMLToJSON(manifest)
	if err != nil {
		return fmt.Errorf("read TenantCluster: %w", err)
	}
	if err := c.Patch(ctx, tc.DeepCopy(), client.RawPatch("application/apply-patch+yaml", body), owner, client.ForceOwnership); err != nil {
		return fmt.Errorf("apply TenantCluster %s: %w", tc.Name, err)
	}
	return nil
}

func await(ctx context.Context, c client.WithWatch, tc *v1alpha1.TenantCluster, r *report) (*v1alpha1.TenantCluster, error) {
	last, err := follow.Object(ctx, c, tc, func(event watch.EventType, current *v1alpha1.TenantCluster) (bool, error) {
		if event == watch.Deleted {
			return false, errors.New("it was deleted")
		}
		return r.observe(current), nil
	})
	if err != nil {
		return nil, fmt.Errorf("%w%s", err, blocking(last))
	}
	return last, nil
}

// blocking says what a TenantCluster waits for.
func blocking(tc *v1alpha1.TenantCluster) string {
	if tc == nil {
		return ""
	}
	if ready := meta.FindStatusCondition(tc.Status.Conditions, v1alpha1.ConditionReady); ready != nil && ready.Message != "" {
		return "; it waits for: " + ready.Message
	}
	return ""
}

// report prints what has changed since it last looked.
type report struct {
	out     io.Writer
	started time.Time
	done    map[string]bool
	waiting string
}

// observe prints the steps that are newly complete and what is waited for, and tells whether the tenant is Ready.
func (r *report) observe(tc *v1alpha1.TenantCluster) bool {
	for _, step := range steps {
		c := meta.FindStatusCondition(tc.Status.Conditions, step.condition)
		if c == nil || c.Status != metav1.ConditionTrue || c.ObservedGeneration != tc.Generation || r.done[step.condition] {
			continue
		}
		r.done[step.condition] = true
		r.printf("%s ready", step.name)
	}
	if waiting := blocking(tc); waiting != r.waiting && !r.done[v1alpha1.ConditionReady] {
		r.waiting = waiting
		if waiting != "" {
			r.printf("  %s", strings.TrimPrefix(waiting, "; it "))
		}
	}
	return r.done[v1alpha1.ConditionReady]
}

func (r *report) printf(format string, arguments ...any) {
	// A progress line that cannot be written must not end the work.
	_, _ = fmt.Fprintf(r.out, "%6.1fs  %s\n", time.Since(r.started).Seconds(), fmt.Sprintf(format, arguments...))
}

// WriteKubeconfig writes the kubeconfig of a tenant that is Ready to a file of its own.
func WriteKubeconfig(ctx context.Context, c client.Client, tc *v1alpha1.TenantCluster, path string) error {
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: tc.Namespace, Name: tc.Status.KubeconfigSecretName}
	if err := c.Get(ctx, key, secret); err != nil {
		return fmt.Errorf("read kubeconfig of %s: %w", tc.Name, err)
	}
	if err := os.WriteFile(path, secret.Data["value"], 0o600); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	return nil
}

// PrintNodes prints the nodes of the tenant that a kubeconfig names.
func PrintNodes(ctx context.Context, kubeconfig string, out io.Writer) error {
	c, err := Client(kubeconfig)
	if err != nil {
		return err
	}
	nodes := &corev1.NodeList{}
	if err := c.List(ctx, nodes); err != nil {
		return fmt.Errorf("list nodes: %w", err)
	}
	slices.SortFunc(nodes.Items, func(a, b corev1.Node) int { return strings.Compare(a.Name, b.Name) })
	for i := range nodes.Items {
		node := &nodes.Items[i]
		ready := "NotReady"
		for _, c := range node.Status.Conditions {
			if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue {
				ready = "Ready"
			}
		}
		if _, err := fmt.Fprintf(out, "%-24s %-9s %s\n", node.Name, ready, node.Status.NodeInfo.KubeletVersion); err != nil {
			return err
		}
	}
	return nil
}
