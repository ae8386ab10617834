package addons

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"slipway.dev/sandbox/build"
)

const (
	fieldOwner = "slipway-sandbox"
	// parallelWrites is how many objects of an add-on are applied at a time.
	parallelWrites = 8
	// requestTimeout bounds one request to an API server that is starting.
	requestTimeout = 5 * time.Second
	retryPause     = 100 * time.Millisecond
)

// Installer installs add-ons in one cluster.
type Installer struct {
	client  dynamic.Interface
	typed   kubernetes.Interface
	builder *build.Builder
	values  Values
}

// New returns an Installer for the cluster of a kubeconfig file.
func New(kubeconfig string, builder *build.Builder, values Values) (*Installer, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS = -1 // we are the only client of a cluster that has nothing else to do
	config.WarningHandler = nil
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	typed, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &Installer{client: client, typed: typed, builder: builder, values: values}, nil
}

// WaitForAPI returns when the API server is ready. Before it answers there is nothing to watch.
func (i *Installer) WaitForAPI(ctx context.Context) error {
	for {
		request := i.typed.Discovery().RESTClient().Get().AbsPath("/readyz").Timeout(requestTimeout)
		var status int
		err := request.Do(ctx).StatusCode(&status).Error()
		if err == nil && status == http.StatusOK {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; the last answer: %w", context.Cause(ctx), err)
		case <-time.After(retryPause):
		}
	}
}

// Install applies an add-on and returns when it works.
func (i *Installer) Install(ctx context.Context, a Addon) error {
	objects, err := i.objects(ctx, a)
	if err != nil {
		return err
	}
	var first, rest []*unstructured.Unstructured
	for _, o := range objects {
		if o.GetKind() == "Namespace" || o.GetKind() == "CustomResourceDefinition" {
			first = append(first, o)
		} else {
			rest = append(rest, o)
		}
	}
	// What other objects live in has to be there first.
	for _, set := range [][]*unstructured.Unstructured{first, rest} {
		if err := i.apply(ctx, set); err != nil {
			return err
		}
	}
	for _, w := range a.ready {
		if err := i.wait(ctx, w); err != nil {
			return fmt.Errorf("waiting for %s %s: %w", w.kind, w.name, err)
		}
	}
	return nil
}

func (i *Installer) objects(ctx context.Context, a Addon) ([]*unstructured.Unstructured, error) {
	texts, err := a.render(ctx, i.builder, i.values)
	if err != nil {
		return nil, err
	}
	var objects []*unstructured.Unstructured
	for _, text := range texts {
		found, err := parse(text)
		if err != nil {
			return nil, fmt.Errorf("reading the manifests: %w", err)
		}
		objects = append(objects, found...)
	}
	return objects, nil
}

func parse(text string) ([]*unstructured.Unstructured, error) {
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	var objects []*unstructured.Unstructured
	for {
		o := &unstructured.Unstructured{}
		err := decoder.Decode(o)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		if len(o.Object) > 0 {
			objects = append(objects, o)
		}
	}
}

// apply writes a set of objects and returns when those that define kinds are in force.
func (i *Installer) apply(ctx context.Context, objects []*unstructured.Unstructured) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelWrites)
	for _, o := range objects {
		group.Go(func() error {
			_, err := i.resource(o.GroupVersionKind(), o.GetNamespace()).
				Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: fieldOwner, Force: true})
			if err != nil {
				return fmt.Errorf("applying %s %s: %w", o.GetKind(), o.GetName(), err)
			}
			if o.GetKind() == "CustomResourceDefinition" {
				return i.wait(ctx, workload{kind: o.GetKind(), name: o.GetName()})
			}
			return nil
		})
	}
	return group.Wait()
}
