package tenantaddons

import (
	"context"
	"net/http"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"slipway.dev/kit/tenantapi"
	"slipway.dev/operators/cluster/addons"
)

// A tenant that is slow gets its add-ons too, some in each call.
func TestWritingGoesOnWhereItWasCut(t *testing.T) {
	const cut = 3
	var written []runtime.ApplyConfiguration
	refuse := true
	live := interceptor.NewClient(nil, interceptor.Funcs{
		Apply: func(_ context.Context, _ client.WithWatch, object runtime.ApplyConfiguration, _ ...client.ApplyOption) error {
			if refuse && len(written) == cut {
				return &apierrors.StatusError{ErrStatus: metav1.Status{Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden}}
			}
			written = append(written, object)
			return nil
		},
	})
	dns := addons.DNS{Image: "i", Domain: "cluster.local", Address: "10.96.0.10", Replicas: 1}
	tenant := tenantapi.NewTenant(nil, live)
	all := len(addons.RBAC()) + len(addons.ClusterDNS(dns))
	p := &progress{}
	if err := p.write(t.Context(), tenant, dns, false); err == nil || len(written) != cut {
		t.Fatalf("%d add-ons and error %v, want %d and a refusal", len(written), err, cut)
	}
	refuse = false
	for _, step := range []struct {
		what    string
		tenant  *tenantapi.Tenant
		dns     addons.DNS
		present bool
		want    int
	}{
		{"the rest", tenant, dns, true, all},
		{"nothing more", tenant, dns, true, all},
		{"all, when cluster DNS was removed", tenant, dns, false, 2 * all},
		{"all, with another image", tenant, addons.DNS{Image: "j", Domain: dns.Domain, Address: dns.Address, Replicas: 1}, true, 3 * all},
		{"all, over another connection", tenantapi.NewTenant(nil, live), addons.DNS{Image: "j", Domain: dns.Domain, Address: dns.Address, Replicas: 1}, true, 4 * all},
	} {
		if err := p.write(t.Context(), step.tenant, step.dns, step.present); err != nil || len(written) != step.want {
			t.Fatalf("%s: %d written and error %v, want %d", step.what, len(written), err, step.want)
		}
	}
}
