package tenantapi_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"

	"slipway.dev/kit/tenantapi"
)

func testDivertedKind(t *testing.T, config *rest.Config) {
	var diverted atomic.Bool
	front := frontOf(t, config, func(r *http.Request) bool {
		return diverted.Load() && strings.HasSuffix(r.URL.Path, "/configmaps")
	})
	c := newConnections(t)
	c.start(t)
	wanted := secret(t, config, "diverted", "admin")
	wanted.Data[dataKey] = front.kubeconfig(t)
	c.awaitReason(t, wanted, "")
	diverted.Store(true)
	front.CloseClientConnections()
	message := c.awaitReason(t, wanted, tenantapi.ReasonNotServed)
	if !strings.Contains(message, "does not serve objects of kind ConfigMap") {
		t.Errorf("message %q", message)
	}
	diverted.Store(false)
	c.awaitReason(t, wanted, "")
}

// testAlwaysDiverted is an operator that was started after the kind was diverted.
func testAlwaysDiverted(t *testing.T, config *rest.Config) {
	var mended atomic.Bool
	front := frontOf(t, config, func(r *http.Request) bool {
		return !mended.Load() && strings.HasSuffix(r.URL.Path, "/configmaps")
	})
	c := newConnections(t)
	c.start(t)
	wanted := secret(t, config, "diverted", "admin")
	wanted.Data[dataKey] = front.kubeconfig(t)
	c.awaitReason(t, wanted, tenantapi.ReasonNotServed)
	mended.Store(true)
	c.awaitReason(t, wanted, "")
}

// testNothingListed has an OnConnect that waits for rights which never come.
func testNothingListed(t *testing.T, config *rest.Config) {
	server, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	wire := newLine(t, server.Host)
	through := rest.CopyConfig(config)
	through.Host = "https://" + wire.address
	c := newConnections(t)
	c.OnConnect = func(ctx context.Context, _ client.ObjectKey, _ cluster.Cluster) error {
		<-ctx.Done()
		return ctx.Err()
	}
	c.start(t)
	wanted := secret(t, through, "no-rights", "admin")
	c.awaitReason(t, wanted, tenantapi.ReasonNotServed)
	wire.cut()
	c.awaitReason(t, wanted, tenantapi.ReasonUnreachable)
}
