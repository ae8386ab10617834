package boottest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const bootstrapToken = "07401b.f395accd246ae52d"

// controlPlane is a real one, without a scheduler: the test binds its pod itself.
type controlPlane struct {
	t          *testing.T
	dir, bin   string
	ca         *x509.Certificate
	caKey      *ecdsa.PrivateKey
	kubeconfig string
}

func startControlPlane(ctx context.Context, t *testing.T, bin string) *controlPlane {
	t.Helper()
	c := &controlPlane{t: t, dir: t.TempDir(), bin: bin}
	c.makeCertificates()
	c.write("tokens.csv", fmt.Sprintf("%s,bootstrap,bootstrap,\"system:bootstrappers:slipway\"\n", bootstrapToken))
	c.kubeconfig = c.write("admin.conf", c.clientConfig("admin"))

	c.run(ctx, "etcd", "--data-dir="+c.path("etcd"), "--unsafe-no-fsync", "--listen-peer-urls=http://127.0.0.1:2380")
	c.run(ctx, "kube-apiserver", "--etcd-servers=http://127.0.0.1:2379", "--advertise-address="+gateway, "--service-cluster-ip-range="+serviceCIDR,
		"--tls-cert-file="+c.path("apiserver.crt"), "--tls-private-key-file="+c.path("apiserver.key"), "--client-ca-file="+c.path("ca.crt"),
		"--kubelet-preferred-address-types=InternalIP", "--kubelet-client-certificate="+c.path("admin.crt"), "--kubelet-client-key="+c.path("admin.key"),
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+c.path("apiserver.key"),
		"--service-account-signing-key-file="+c.path("apiserver.key"), "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--allow-privileged", "--token-auth-file="+c.path("tokens.csv"), "--cert-dir="+c.path("self-signed"))
	c.awaitReady(ctx)
	// It does not wait for the API server, but ends.
	c.run(ctx, "kube-controller-manager", "--kubeconfig="+c.kubeconfig, "--authentication-kubeconfig="+c.kubeconfig, "--authorization-kubeconfig="+c.kubeconfig,
		"--allocate-node-cidrs", "--cluster-cidr="+podCIDR, "--service-cluster-ip-range="+serviceCIDR, "--use-service-account-credentials",
		"--root-ca-file="+c.path("ca.crt"), "--service-account-private-key-file="+c.path("apiserver.key"),
		"--cluster-signing-cert-file="+c.path("ca.crt"), "--cluster-signing-key-file="+c.path("ca.key"), "--leader-elect=false", "--cert-dir="+c.path("self-signed"))
	return c
}

// bootstrapRoles lets nodes register, with what kubeadm would bind, and read what NetworkPolicies are about.
func (c *controlPlane) bootstrapRoles(ctx context.Context) {
	c.t.Helper()
	for role, group := range map[string]string{
		"system:node-bootstrapper": "system:bootstrappers:slipway",
		"system:certificates.k8s.io:certificatesigningrequests:nodeclient":     "system:bootstrappers:slipway",
		"system:certificates.k8s.io:certificatesigningrequests:selfnodeclient": "system:nodes",
		"system:node-proxier": "system:nodes",
	} {
		c.kubectl(ctx, "create", "clusterrolebinding", strings.ReplaceAll("slipway:"+role, ":", "-"), "--clusterrole="+role, "--group="+group)
	}
	c.kubectl(ctx, "create", "clusterrole", "network-policies", "--verb=list,watch", "--resource=pods,namespaces,networkpolicies.networking.k8s.io")
	c.kubectl(ctx, "create", "clusterrolebinding", "network-policies", "--clusterrole=network-policies", "--group=system:nodes")
}

// awaitReady returns when the API server is ready.
func (c *controlPlane) awaitReady(ctx context.Context) {
	c.t.Helper()
	for tick := time.NewTicker(200 * time.Millisecond); ; {
		if _, err := c.try(ctx, "get", "--raw", "/readyz"); err == nil {
			tick.Stop()
			return
		} else if ctx.Err() != nil {
			c.t.Fatalf("API server: %v", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// run starts a component, which lives until the test ends; its log is shown if the test fails.
func (c *controlPlane) run(ctx context.Context, name string, args ...string) {
	c.t.Helper()
	log, err := os.Create(c.path(name + ".log"))
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, name), args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		log.Close()
		if c.t.Failed() {
			text, _ := os.ReadFile(log.Name())
			c.t.Logf("%s:\n%s", name, text[max(0, len(text)-4000):])
		}
	})
}

func (c *controlPlane) kubectl(ctx context.Context, args ...string) string {
	c.t.Helper()
	out, err := c.try(ctx, args...)
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

func (c *controlPlane) try(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, "kubectl"), append([]string{"--kubeconfig", c.kubeconfig}, args...)...)
	var failure strings.Builder
	cmd.Stderr = &failure
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, failure.String())
	}
	return string(out), nil
}

func (c *controlPlane) path(name string) string { return filepath.Join(c.dir, name) }

func (c *controlPlane) write(name, content string) string {
	c.t.Helper()
	if err := os.WriteFile(c.path(name), []byte(content), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return c.path(name)
}

func (c *controlPlane) clientConfig(user string) string {
	return kubeconfig(c.path("ca.crt"), fmt.Sprintf("client-certificate: %s, client-key: %s", c.path(user+".crt"), c.path(user+".key")))
}

// kubeconfig is a kubeconfig for the test's API server; user is the inside of a YAML flow mapping.
func kubeconfig(ca, user string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "https://%s:6443", certificate-authority: %s}}]
users: [{name: user, user: {%s}}]
contexts: [{name: test, context: {cluster: test, user: user}}]
current-context: test
`, gateway, ca, user)
}

func (c *controlPlane) makeCertificates() {
	c.t.Helper()
	c.ca, c.caKey = c.issue("ca", &x509.Certificate{
		Subject: pkix.Name{CommonName: "kubernetes"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	})
	c.issue("apiserver", &x509.Certificate{
		Subject: pkix.Name{CommonName: "kube-apiserver"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.ParseIP(gateway), net.ParseIP("10.96.0.1"), net.ParseIP("127.0.0.1")}, DNSNames: []string{"kubernetes", "localhost"},
	})
	c.issue("admin", &x509.Certificate{
		Subject: pkix.Name{CommonName: "admin", Organization: []string{"system:masters"}}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// issue makes a key, and a certificate signed by the CA, or by itself while there is no CA.
func (c *controlPlane) issue(name string, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	c.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	parent, parentKey := c.ca, c.caKey
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		c.t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		c.t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		c.t.Fatal(err)
	}
	c.write(name+".crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	c.write(name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})))
	return certificate, key
}
