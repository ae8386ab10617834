package main

import (
	"context"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/kit/testenv"
)

// enforceLimits brings the chart's limits into force. The API server does not
// say when it has read them; it has when it refuses each of the objects.
func enforceLimits(t *testing.T, c client.Client, limits []string, refused ...*unstructured.Unstructured) {
	t.Helper()
	for _, object := range testenv.Chart(t, umbrellaChart, slices.Concat(chartValues, limits)...) {
		if name := object.GetName(); name != "tenantcluster-limits.slipway.dev" && name != "nodepool-limits.slipway.dev" {
			continue
		}
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	for _, object := range refused {
		_ = awaitRefusal(t, c, object) // that there is one is enough here
	}
}

// awaitRefusal returns the refusal of an object that is accepted until the API
// server has read what forbids it.
func awaitRefusal(t *testing.T, c client.Client, object *unstructured.Unstructured) (refusal error) {
	t.Helper()
	if wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		refusal = c.Create(ctx, object.DeepCopy(), client.DryRunAll)
		return refusal != nil, nil
	}) != nil {
		t.Fatalf("%s %s/%s is accepted", object.GetKind(), object.GetNamespace(), object.GetName())
	}
	return refusal
}
