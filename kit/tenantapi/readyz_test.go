package tenantapi

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/connrotation"
)

func TestProbesShareOneConnection(t *testing.T) {
	var opened atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok"))
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	config := limited(&rest.Config{Host: server.URL})
	config.Dial = connrotation.NewDialer(new(net.Dialer).DialContext).DialContext
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	p, err := newProber(config, httpClient)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if err := p.probe(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := opened.Load(); got != 1 {
		t.Errorf("%d connections for 5 probes", got)
	}
}
