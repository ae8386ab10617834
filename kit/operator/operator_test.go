package operator_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"slipway.dev/kit/operator"
)

// A reconcile that waits for something that never comes gives its worker back.
func TestEndlessReconcileIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		options := operator.Options{MetricsAddress: "0", HealthAddress: "0"}
		manager, err := options.NewManager(&rest.Config{Host: "https://127.0.0.1:1"}, "test", runtime.NewScheme(), cache.Options{})
		if err != nil {
			t.Fatal(err)
		}
		begun, ended := make(chan time.Time, 1), make(chan time.Time, 1)
		endless := reconcile.Func(func(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
			begun <- time.Now()
			<-ctx.Done()
			ended <- time.Now()
			return ctrl.Result{}, nil
		})
		c, err := controller.New("endless", manager, controller.Options{Reconciler: endless})
		if err != nil {
			t.Fatal(err)
		}
		events := make(chan event.GenericEvent, 1)
		events <- event.GenericEvent{Object: &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: "a"}}}
		if err := c.Watch(source.Channel(events, &handler.EnqueueRequestForObject{})); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		stopped := make(chan error, 1)
		go func() { stopped <- manager.Start(ctx) }()
		if took := (<-ended).Sub(<-begun); took != 30*time.Second {
			t.Errorf("ended after %s, want 30s", took)
		}
		cancel()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}
