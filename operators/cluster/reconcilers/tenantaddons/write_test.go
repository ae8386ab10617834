package tenantaddons

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"slipway.dev/kit/tenantapi"
	"slipway.dev/operators/cluster/addons"
)

// tenant takes add-ons and counts how often it is asked.
type tenant struct {
	written, read int
	// refuseAfter is how many it takes before it refuses one.
	refuseAfter               int
	gone, changed, unreadable sets.Set[string]
}

func (s *tenant) connect() *tenantapi.Tenant {
	return tenantapi.NewTenant(nil, interceptor.NewClient(nil, interceptor.Funcs{
		Apply: func(_ context.Context, _ client.WithWatch, object runtime.ApplyConfiguration, _ ...client.ApplyOption) error {
			if s.written == s.refuseAfter {
				return &apierrors.StatusError{ErrStatus: metav1.Status{Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden}}
			}
			s.written++
			if deployment, ok := object.(*appsv1ac.DeploymentApplyConfiguration); ok {
				deployment.WithGeneration(1)
			}
			return nil
		},
		Get: func(_ context.Context, _ client.WithWatch, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
			s.read++
			metadata, ok := object.(*metav1.PartialObjectMetadata)
			if !ok {
				return fmt.Errorf("%T is read, and not its metadata alone", object)
			}
			if metadata.Kind == "Deployment" {
				metadata.Generation = 1
				metadata.ResourceVersion = "of its status"
			}
			if s.changed.Has(key.Name) {
				metadata.ResourceVersion = "another"
			}
			if s.gone.Has(key.Name) {
				return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
			}
			if s.unreadable.Has(key.Name) {
				return apierrors.NewInternalError(errors.New("some"))
			}
			return nil
		},
	}))
}

func settings(image string) addons.Settings {
	return addons.Settings{DNS: addons.DNS{Image: image, Domain: "cluster.local", Address: "10.96.0.10", Placement: addons.Placement{Replicas: 1}}}
}

func all() int { return len(addons.Objects(addons.Settings{})) }

func generation(n int64) *appsv1.Deployment {
	return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Generation: n}}
}

// A tenant that is slow gets its add-ons too, some in each call.
func TestWritingGoesOnWhereItWasCut(t *testing.T) {
	const cut = 3
	server := &tenant{refuseAfter: cut}
	connection, p, now := server.connect(), &progress{}, time.Now()
	if err := p.write(t.Context(), connection, settings("i"), nil, now); err == nil || server.written != cut {
		t.Fatalf("%d add-ons and error %v, want %d and a refusal", server.written, err, cut)
	}
	server.refuseAfter = -1
	if err := p.write(t.Context(), connection, settings("i"), nil, now); err != nil || server.written != all() {
		t.Fatalf("%d written and error %v, want %d", server.written, err, all())
	}
	if server.read != 0 {
		t.Errorf("%d reads of what has just been written", server.read)
	}
}

// A pass over the add-ons costs a read of each and a write of those that are not as they were.
func TestPassesOverAddOns(t *testing.T) {
	const soon, due = time.Minute, time.Duration(float64(checkInterval) * (1 + checkJitter))
	for name, test := range map[string]struct {
		after         time.Duration
		deployment    *appsv1.Deployment
		image         string
		anew          bool
		gone, changed []string
		unreadable    []string
		read, written int
	}{
		"settled":                            {after: soon, deployment: generation(1)},
		"nobody has noticed yet":             {after: soon, deployment: generation(1), gone: []string{"kube-dns"}},
		"settled, and checked":               {after: due, deployment: generation(1), read: all()},
		"some were removed":                  {after: due, deployment: generation(1), gone: []string{"kube-dns", "slipway:kubelet-bootstrap"}, read: all(), written: 2},
		"one was changed":                    {after: due, deployment: generation(1), changed: []string{"slipway:kubelet-bootstrap"}, read: all(), written: 1},
		"one cannot be read":                 {after: due, deployment: generation(1), unreadable: []string{"slipway:node-proxier"}, read: all(), written: 1},
		"cluster DNS was removed":            {after: soon, gone: []string{"coredns"}, read: all(), written: 3},
		"cluster DNS is not cached yet":      {after: soon, read: all()},
		"another image":                      {after: soon, deployment: generation(1), image: "j", written: all()},
		"the API was gone":                   {after: soon, deployment: generation(1), anew: true, written: all()},
		"the cache has an older cluster DNS": {after: soon, deployment: generation(3), read: all()},
	} {
		t.Run(name, func(t *testing.T) {
			server := &tenant{refuseAfter: -1}
			connection, p, now := server.connect(), &progress{}, time.Now()
			if err := p.write(t.Context(), connection, settings("i"), nil, now); err != nil {
				t.Fatal(err)
			}
			if test.anew {
				connection = server.connect()
			}
			server.written = 0
			server.gone, server.changed = sets.New(test.gone...), sets.New(test.changed...)
			server.unreadable = sets.New(test.unreadable...)
			if err := p.write(t.Context(), connection, settings(cmp.Or(test.image, "i")), test.deployment, now.Add(test.after)); err != nil {
				t.Fatal(err)
			}
			if server.read != test.read || server.written != test.written {
				t.Errorf("%d reads and %d writes, want %d and %d", server.read, server.written, test.read, test.written)
			}
		})
	}
}
