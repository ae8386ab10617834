package tenant

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func request(name string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// A tenant that floods waits for itself: whoever comes later is served from the
// same queue of tenants, a few requests in each turn.
func TestRequestsAreTakenInTurns(t *testing.T) {
	r := newRequests(NewRefusals(func(context.Context, types.NamespacedName) {}))
	flooding, other := r.handler(t.Context(), "flooding"), r.handler(t.Context(), "other")
	for n := range 100 {
		flooding.OnAdd(request(fmt.Sprintf("r%02d", n)), false)
		<-r.Events
	}
	other.OnAdd(request("mine"), false)
	if event := <-r.Events; event.Object != "other" {
		t.Errorf("event for %s", event.Object)
	}
	if names, more := r.Take("flooding", 3); cmp.Diff([]string{"r00", "r01", "r02"}, names) != "" || !more {
		t.Errorf("%v, more %t", names, more)
	}
	r.Return("flooding", "r00", "r01", "r02")
	if names, _ := r.Take("flooding", 3); cmp.Diff([]string{"r03", "r04", "r05"}, names) != "" {
		t.Errorf("%v go before others after they were put back", names)
	}
	if names, more := r.Take("other", 3); cmp.Diff([]string{"mine"}, names) != "" || more {
		t.Errorf("%v, more %t", names, more)
	}
	if names, _ := r.Take("other", 3); len(names) > 0 {
		t.Errorf("%v were taken twice", names)
	}
	r.Return("other", "mine")
	if names, _ := r.Take("other", 3); len(names) != 1 {
		t.Errorf("%v, want what was put back", names)
	}
	flooding.OnDelete(request("r06"))
	if names, _ := r.Take("flooding", 1); cmp.Diff([]string{"r07"}, names) != "" {
		t.Errorf("%v, want the next one that is still there", names)
	}
	if names, _ := r.Take("flooding", 95); len(names) != 95 || names[94] != "r02" {
		t.Errorf("%v, want all others and at last those that were put back", names)
	}
	r.forget("flooding")
	if names, more := r.Take("flooding", 1); len(names) > 0 || more {
		t.Errorf("%v of a tenant that is gone", names)
	}
}

// What was requested before the tenant could be asked is looked at once it can.
func TestConnectionsWakeRequests(t *testing.T) {
	f, err := New(clientgoscheme.Scheme, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.clusters.OnChange(client.ObjectKey{Namespace: "hosted", Name: "kubeconfig"})
	select {
	case event := <-f.Requests.Events:
		if event.Object != "hosted" {
			t.Errorf("woken: %s", event.Object)
		}
	default:
		t.Error("a new connection wakes no requests")
	}
}
