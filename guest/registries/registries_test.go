package registries

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"slipway.dev/guest/contract"
)

// apiServer answers a watch with events that the test sends.
func apiServer(t *testing.T, events <-chan string) (kubeconfig string) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		if len(r.TLS.PeerCertificates) == 0 || r.URL.Path != "/api/v1/namespaces/kube-system/secrets" ||
			query.Get("watch") != "true" || query.Get("fieldSelector") != "metadata.name="+contract.RegistriesSecret {
			http.Error(w, r.URL.String(), http.StatusForbidden)
			return
		}
		for {
			select {
			case event := <-events:
				if event == "" {
					return // every watch ends after some time
				}
				fmt.Fprintln(w, event)
				w.(http.Flusher).Flush()
			case <-r.Context().Done():
				return
			}
		}
	}))
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)

	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	// The server's own certificate serves the client as well.
	own := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate[0]})
	ca := write("ca.crt", certificate)
	both := write("client.pem", append(certificate, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...))
	return write("kubeconfig", fmt.Appendf(nil, `
clusters: [{name: default, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: kube-proxy, user: {client-certificate: %q, client-key: %q}}]
`, server.URL, ca, both, both))
}

func event(kind, files string) string {
	return fmt.Sprintf(`{"type": %q, "object": {"data": {%q: %q}}}`, kind, contract.RegistriesKey, base64.StdEncoding.EncodeToString([]byte(files)))
}

func TestFilesFollowTheSecret(t *testing.T) {
	events, reports := make(chan string), make(chan string, 10)
	dir := t.TempDir()
	f := &Follower{
		Kubeconfig: apiServer(t, events), Dir: dir,
		Report: func(format string, args ...any) { reports <- fmt.Sprintf(format, args...) },
	}
	old := filepath.Join(dir, "docker.io", "hosts.toml")
	if err := os.MkdirAll(filepath.Dir(old), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(old, []byte("as it booted"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f.Run(ctx)
	}()
	has := func(name, want string) {
		t.Helper()
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(content) != want {
			t.Errorf("%s has %q, %v; want %q", name, content, err, want)
		}
	}

	events <- event("ADDED", `{"docker.io/hosts.toml": "as it booted", "docker.io/ca.crt": "CA"}`)
	if got := <-reports; got != "registries: docker.io/ca.crt has changed" {
		t.Errorf("it reports %q", got)
	}
	has("docker.io/ca.crt", "CA")
	events <- event("MODIFIED", `{"docker.io/hosts.toml": "another password"}`)
	<-reports
	has("docker.io/hosts.toml", "another password")
	has("docker.io/ca.crt", "CA")

	for _, wrong := range []string{event("MODIFIED", "nonsense"), event("MODIFIED", `{"../../passwd": "x"}`), event("MODIFIED", `{"/etc/passwd": "x"}`)} {
		events <- wrong
		<-reports
	}
	has("docker.io/hosts.toml", "another password")

	events <- "" // this watch ends, and the next goes on
	events <- event("ADDED", `{"docker.io/hosts.toml": "a third one"}`)
	<-reports
	has("docker.io/hosts.toml", "a third one")
	cancel()
	<-ended
}

func TestRefusal(t *testing.T) {
	f := &Follower{Kubeconfig: apiServer(t, nil), Dir: t.TempDir()}
	config, err := os.ReadFile(f.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.Kubeconfig, append(config, "clusters: []\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.watch(t.Context()); err == nil {
		t.Error("a kubeconfig without a cluster gives no error")
	}
}
