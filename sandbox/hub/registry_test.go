package hub

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"k8s.io/apimachinery/pkg/util/wait"

	"slipway.dev/kit/testenv"
	"slipway.dev/sandbox/credentials"
	"slipway.dev/sandbox/layout"
)

// Tenants can pull what is pushed, also when it is pushed anew, and can change nothing.
func TestWhoMayPullMayNotPush(t *testing.T) {
	c := config(t)
	push, pull := runRegistry(t, c)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.Credentials.CACertificate)
	secure := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}}
	as := func(username, password string) []remote.Option {
		return []remote.Option{
			remote.WithContext(t.Context()), remote.WithTransport(secure),
			remote.WithAuth(&authn.Basic{Username: username, Password: password}),
		}
	}
	owner := as(credentials.Username, c.Credentials.Password)
	tenant := as(credentials.PullUsername, c.Credentials.PullPassword())
	tag := func(address string) name.Tag {
		reference, err := name.NewTag(address + "/guest:v1")
		if err != nil {
			t.Fatal(err)
		}
		return reference
	}
	newImage := func() v1.Image {
		image, err := random.Image(1024, 1)
		if err != nil {
			t.Fatal(err)
		}
		return image
	}
	for range 2 {
		image := newImage()
		if err := remote.Write(tag(push), image, owner...); err != nil {
			t.Fatalf("push: %v", err)
		}
		want, err := image.Digest()
		if err != nil {
			t.Fatal(err)
		}
		pulled, err := remote.Head(tag(pull), tenant...)
		if err != nil {
			t.Fatalf("pull: %v", err)
		}
		if pulled.Digest != want {
			t.Errorf("pulled %s, pushed was %s", pulled.Digest, want)
		}
		if err := remote.Write(tag(pull), newImage(), tenant...); !refused(err, http.StatusMethodNotAllowed) {
			t.Errorf("a tenant pushes: %v", err)
		}
		if err := remote.Delete(tag(pull), tenant...); !refused(err, http.StatusMethodNotAllowed) {
			t.Errorf("a tenant removes: %v", err)
		}
	}
	if _, err := remote.Head(tag(push), tenant...); !refused(err, http.StatusUnauthorized) {
		t.Errorf("a tenant is known where images are pushed: %v", err)
	}
	if _, err := remote.Head(tag(pull), remote.WithTransport(secure)); !refused(err, http.StatusUnauthorized) {
		t.Errorf("nobody needs a password to pull: %v", err)
	}
}

func refused(err error, code int) bool {
	var answer *transport.Error
	return errors.As(err, &answer) && answer.StatusCode == code
}

// runRegistry runs the hub's registry on free ports of the loopback address
// until the test ends, and gives the addresses for those who push and who pull.
func runRegistry(t *testing.T, c Config) (push, pull string) {
	t.Helper()
	m, err := Machine(c)
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	addresses := map[uint16]string{layout.RegistryPort: "", layout.PullPort: ""}
	replacements := []string{"/etc/registry", filepath.Join(root, "etc/registry"), registryStorage, filepath.Join(root, registryStorage)}
	for port := range addresses {
		addresses[port] = freeAddress(t, c)
		replacements = append(replacements, fmt.Sprintf("%s:%d", layout.HubAddress, port), addresses[port])
	}
	replacer := strings.NewReplacer(replacements...)
	for path, file := range m.Files {
		if strings.HasSuffix(path, ".yaml") {
			file.Content = []byte(replacer.Replace(string(file.Content)))
			m.Files[path] = file
		}
	}
	if err := m.Files.Write(root); err != nil {
		t.Fatal(err)
	}
	for _, service := range m.Spec.Services {
		if strings.HasPrefix(service.Name, "registry") {
			run(t, testenv.Binary(t, "registry"), service.Command[1], replacer.Replace(service.Command[2]))
		}
	}
	for _, address := range addresses {
		err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
			connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
			if err != nil {
				return false, nil //nolint:nilerr // it is starting
			}
			return true, connection.Close()
		})
		if err != nil {
			t.Fatalf("the registry at %s does not start: %v", address, err)
		}
	}
	return addresses[layout.RegistryPort], addresses[layout.PullPort]
}

func freeAddress(t *testing.T, c Config) string {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(c.Loopback.String(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func run(t *testing.T, program string, arguments ...string) {
	t.Helper()
	var output bytes.Buffer
	command := exec.Command(program, arguments...)
	command.Stdout, command.Stderr = &output, &output
	// Whatever happens to the test, its processes do not outlive it.
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := command.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("end %s: %v", program, err)
		}
		_ = command.Wait() // its state says how it ended
		if t.Failed() {
			t.Logf("%s %q ended with %s:\n%s", program, arguments, command.ProcessState, output.String())
		}
	})
}
