package addons

import (
	"context"
	"fmt"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

// kinds are the group versions of what is waited for, and how one tells that it works.
var kinds = map[string]struct {
	version schema.GroupVersion
	ready   func(*unstructured.Unstructured) bool
}{
	"CustomResourceDefinition": {schema.GroupVersion{Group: "apiextensions.k8s.io", Version: "v1"}, hasCondition("Established")},
	"DaemonSet":                {schema.GroupVersion{Group: "apps", Version: "v1"}, daemonSetReady},
	"Deployment":               {schema.GroupVersion{Group: "apps", Version: "v1"}, deploymentReady},
	"KubeVirt":                 {schema.GroupVersion{Group: "kubevirt.io", Version: "v1"}, kubeVirtReady},
	"Node":                     {schema.GroupVersion{Version: "v1"}, hasCondition("Ready")},
}

// WaitForNodes returns when every node of the sandbox is ready.
func (i *Installer) WaitForNodes(ctx context.Context) error {
	for _, n := range i.values.Layout.Nodes {
		if err := i.wait(ctx, workload{kind: "Node", name: n.Name}); err != nil {
			return fmt.Errorf("waiting for node %s: %w", n.Name, err)
		}
	}
	return nil
}

// MarkControlPlane labels the first node, as kubeadm would. KubeVirt looks for
// the label, which kubelet is not allowed to set itself.
func (i *Installer) MarkControlPlane(ctx context.Context) error {
	name := i.values.Layout.ControlPlane().Name
	n := &unstructured.Unstructured{}
	n.SetGroupVersionKind(kinds["Node"].version.WithKind("Node"))
	n.SetName(name)
	n.SetLabels(map[string]string{"node-role.kubernetes.io/control-plane": ""})
	if err := i.apply(ctx, []*unstructured.Unstructured{n}); err != nil {
		return fmt.Errorf("labelling node %s: %w", name, err)
	}
	return nil
}

// wait watches one object, which may not exist yet, until it is ready.
func (i *Installer) wait(ctx context.Context, w workload) error {
	// The watch logs every end of its connection, our own included.
	ctx = logr.NewContext(ctx, logr.Discard())
	kind := kinds[w.kind]
	client := i.resource(kind.version.WithKind(w.kind), w.namespace)
	name := fields.OneTermEqualSelector("metadata.name", w.name).String()
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.FieldSelector = name
			return client.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.FieldSelector = name
			return client.Watch(ctx, o)
		},
	}
	_, err := watchtools.UntilWithSync(ctx, source, &unstructured.Unstructured{}, nil, func(event watch.Event) (bool, error) {
		o, ok := event.Object.(*unstructured.Unstructured)
		return ok && event.Type != watch.Deleted && kind.ready(o), nil
	})
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// resource returns the client of a kind. All kinds here have regular plurals,
// and what has no namespace is cluster scoped: no need to ask the server.
func (i *Installer) resource(kind schema.GroupVersionKind, namespace string) dynamic.ResourceInterface {
	resource, _ := meta.UnsafeGuessKindToResource(kind)
	if namespace == "" {
		return i.client.Resource(resource)
	}
	return i.client.Resource(resource).Namespace(namespace)
}

func hasCondition(kind string) func(*unstructured.Unstructured) bool {
	return func(o *unstructured.Unstructured) bool {
		conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
		for _, c := range conditions {
			if c, ok := c.(map[string]any); ok && c["type"] == kind {
				return c["status"] == "True"
			}
		}
		return false
	}
}

func kubeVirtReady(o *unstructured.Unstructured) bool {
	return observed(o) && hasCondition("Available")(o)
}

func deploymentReady(o *unstructured.Unstructured) bool {
	wanted, _, _ := unstructured.NestedInt64(o.Object, "spec", "replicas")
	return observed(o) && status(o, "updatedReplicas") == wanted &&
		status(o, "availableReplicas") == wanted && status(o, "replicas") == wanted
}

func daemonSetReady(o *unstructured.Unstructured) bool {
	wanted := status(o, "desiredNumberScheduled")
	return observed(o) && wanted > 0 && status(o, "updatedNumberScheduled") == wanted && status(o, "numberAvailable") == wanted
}

func observed(o *unstructured.Unstructured) bool {
	return status(o, "observedGeneration") >= o.GetGeneration()
}

func status(o *unstructured.Unstructured, field string) int64 {
	value, _, _ := unstructured.NestedInt64(o.Object, "status", field)
	return value
}
