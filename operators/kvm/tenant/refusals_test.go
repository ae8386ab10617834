package tenant

import (
	"context"
	"testing"

	"k8s.io/apimachinery/pkg/types"
)

func TestRefusals(t *testing.T) {
	woken := 0
	r := NewRefusals(func(context.Context, types.NamespacedName) { woken++ })
	machine, other := types.NamespacedName{Namespace: "one", Name: "a"}, types.NamespacedName{Namespace: "two", Name: "a"}
	says := func(what string, of types.NamespacedName, message string, wantWoken int) {
		t.Helper()
		got := ""
		if known := r.Of(of); known != nil {
			got = known.Message
		}
		if got != message || woken != wantWoken {
			t.Errorf("%s: %q after %d wake-ups, want %q after %d", what, got, woken, message, wantWoken)
		}
	}
	refuse := func(of types.NamespacedName, request, message string) {
		r.Add(t.Context(), of, Refusal{Request: request, Signer: "client", Message: message})
	}
	says("at first", machine, "", 0)
	refuse(machine, "csr-1", "no")
	says("refused", machine, "no", 1)
	refuse(machine, "csr-1", "no")
	says("refused once more", machine, "no", 1)
	refuse(other, "csr-1", "another tenant's of the same name")
	r.Approved(t.Context(), machine, "serving")
	says("another certificate", machine, "no", 2)
	r.Approved(t.Context(), machine, "client")
	says("approved", machine, "", 3)
	refuse(machine, "csr-2", "not this either")
	r.withdrawn(t.Context(), "one", "csr-1")
	says("an earlier request is gone", machine, "not this either", 4)
	r.withdrawn(t.Context(), "one", "csr-2")
	says("the request is gone", machine, "", 5)
	says("all this time", other, "another tenant's of the same name", 5)
	r.Forget(other)
	says("the Machine is gone", other, "", 5)
}
