package processes

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/kubernetes"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/addons"
	"slipway.dev/operators/cluster/controlplane"
)

// wantIssuer follows a token to its keys as a pod does that verifies it: the
// issuer it names, where the cluster DNS says that is, and what is published there.
func (h *host) wantIssuer(tenant controlplane.Tenant) {
	h.Helper()
	c, err := kubernetes.NewForConfig(h.config(v1alpha1.SecretAdmin))
	if err != nil {
		h.Fatal(err)
	}
	var token *authenticationv1.TokenRequest
	h.await("no token", func(ctx context.Context) (err error) {
		token, err = c.CoreV1().ServiceAccounts(addons.CoreDNSNamespace).CreateToken(ctx, "default", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
		return err
	})
	var claims struct {
		Issuer string `json:"iss"`
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token.Status.Token, ".")[1])
	if err != nil {
		h.Fatal(err)
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		h.Fatal(err)
	}
	issuerHost := controlplane.IssuerHost(tenant.UID, tenant.Spec.DNS.Domain)
	if want := "https://" + issuerHost; claims.Issuer != want {
		h.Errorf("a token's issuer is %s, want %s", claims.Issuer, want)
	}

	var published struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	document, err := c.RESTClient().Get().AbsPath("/.well-known/openid-configuration").Do(h.Context()).Raw()
	if err != nil {
		h.Fatal(err)
	}
	if err := json.Unmarshal(document, &published); err != nil {
		h.Fatal(err)
	}
	if published.Issuer != claims.Issuer || published.Keys != claims.Issuer+"/openid/v1/jwks" {
		h.Errorf("published are issuer %s and keys at %s", published.Issuer, published.Keys)
	}
	if _, err := c.RESTClient().Get().AbsPath("/openid/v1/jwks").Do(h.Context()).Raw(); err != nil {
		h.Errorf("keys: %v", err)
	}

	resolver := h.runClusterDNS(tenant)
	h.await("the issuer's name does not lead to the API server", func(ctx context.Context) error {
		addresses, err := resolver.LookupHost(ctx, issuerHost+".")
		if err == nil && (len(addresses) != 1 || addresses[0] != "10.96.0.1") {
			err = fmt.Errorf("it is %v", addresses)
		}
		return err
	})
	h.await("a zone of the tenant's own is not answered", func(ctx context.Context) error {
		_, err := resolver.LookupHost(ctx, "server.corp.example.com.")
		return err
	})
}

// runClusterDNS runs CoreDNS as the add-on configures it, but for its way to
// the API and where it listens, with a zone that the tenant's users have added.
func (h *host) runClusterDNS(tenant controlplane.Tenant) *net.Resolver {
	h.Helper()
	custom := filepath.Join(h.folder, "custom")
	if err := os.Mkdir(custom, 0o700); err != nil {
		h.Fatal(err)
	}
	files := map[string]string{
		"corp.server": "corp.example.com:" + h.ports["53"] + " {\n    bind 127.0.0.1\n    hosts {\n        192.0.2.1 server.corp.example.com\n    }\n}\n",
	}
	var corefile string
	for _, object := range addons.ClusterDNS(clusterDNS(tenant)) {
		if config, ok := object.(*corev1ac.ConfigMapApplyConfiguration); ok {
			corefile = config.Data["Corefile"]
			maps.Copy(files, config.Data)
		}
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(custom, name), []byte(content), 0o600); err != nil {
			h.Fatal(err)
		}
	}
	address := net.JoinHostPort("127.0.0.1", h.ports["53"])
	corefile = strings.NewReplacer(
		".:53 {", ".:"+h.ports["53"]+" {\n    bind 127.0.0.1",
		"health {", "health 127.0.0.1:"+h.ports["8080"]+" {",
		"ready\n", "ready 127.0.0.1:"+h.ports["8181"]+"\n",
		"/etc/coredns/custom", custom,
		":9153", "127.0.0.1:"+h.ports["9153"],
		"pods insecure", "pods insecure\n       kubeconfig "+h.writeKubeconfig(v1alpha1.SecretAdmin),
	).Replace(corefile)
	path := filepath.Join(h.folder, "Corefile")
	if err := os.WriteFile(path, []byte(corefile), 0o600); err != nil {
		h.Fatal(err)
	}
	h.run([]string{addons.CoreDNS, "-conf", path})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", address)
	}}
}
